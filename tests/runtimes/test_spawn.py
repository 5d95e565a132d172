"""How a process is started."""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from musterd import procfs
from musterd.runtimes import spawn as spawn_module
from musterd.runtimes.spawn import Recipe, spawn
from tests.support.descriptors import open_files

ENVIRONMENT = [b"SHAPE=round", b"COLOUR=blue"]


@pytest.fixture(params=["as known", "by subprocess"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways: the second is for versions of Python whose `fork_exec` is not known."""
    if request.param == "by subprocess":
        monkeypatch.setattr(spawn_module, "KNOWN", False)


def recipe(*command: str, folder: Path | None = None, paths: tuple[bytes, ...] = ()) -> Recipe:
    """To start a command whose program is given by its path."""
    return Recipe(command, paths or (os.fsencode(command[0]),), ENVIRONMENT, folder)


def run(recipe: Recipe) -> tuple[int, str]:
    """Start it and wait; its exit code, and what it wrote."""
    stdin, answer = os.open(os.devnull, os.O_RDONLY), os.pipe()
    try:
        pid = spawn(recipe, (stdin, answer[1], answer[1]))
    finally:
        os.close(stdin)
        os.close(answer[1])
        with os.fdopen(answer[0]) as file:
            said = file.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


@pytest.fixture
def open_one() -> Iterator[int]:
    """A descriptor of ours that every child would inherit."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(descriptor, True)  # noqa: FBT003, it takes no name
    yield descriptor
    os.close(descriptor)


def test_it_has_its_streams_and_no_other_descriptor(open_one: int) -> None:
    """Whoever has opened it, and however."""
    assert open_one > 2
    script = "import os; print([name for name in os.listdir('/proc/self/fd')])"
    code, said = run(recipe(sys.executable, "-S", "-c", script))
    assert (code, said) == (0, "['0', '1', '2', '3']\n"), "3 is the folder that it lists"


def test_it_has_a_session_a_folder_and_an_environment_of_its_own(tmp_path: Path) -> None:
    """What it is given, and nothing of ours."""
    script = "import os; print(os.getsid(0) == os.getpid(), os.getcwd(), dict(os.environ))"
    command = (sys.executable, "-S", "-X", "utf8", "-c", script)
    code, said = run(recipe(*command, folder=tmp_path))
    expected = {"SHAPE": "round", "COLOUR": "blue"}
    assert code == 0
    assert said.startswith(f"True {tmp_path} {{")
    assert all(f"'{name}': '{value}'" in said for name, value in expected.items())
    assert "PATH" not in said


def test_it_ignores_no_signal_that_we_ignore() -> None:
    """Python ignores SIGPIPE; `yes | head` would go on for ever."""
    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN
    _, said = run(recipe("/bin/cat", "/proc/self/status"))
    (ignored,) = (line.split()[1] for line in said.splitlines() if line.startswith("SigIgn:"))
    assert not int(ignored, 16) & 1 << (signal.SIGPIPE - 1)


def test_it_is_looked_for_in_several_places(tmp_path: Path) -> None:
    """Where there is none, or none that may be started, the next place counts."""
    (tmp_path / "sh").touch()
    folders = [b"/nowhere", os.fsencode(tmp_path), b"/bin"]
    places = recipe("sh", "-c", "echo $0", paths=tuple(folder + b"/sh" for folder in folders))
    path = b"PATH=" + b":".join(folders)
    assert run(places._replace(environment=[path])) == (0, "sh\n")


@pytest.mark.parametrize(
    ("name", "folder", "code", "named"),
    [
        ("/nowhere/program", None, errno.ENOENT, "/nowhere/program"),
        ("/", None, errno.EACCES, "/"),
        ("/bin/true", Path("/nowhere"), errno.ENOENT, "/nowhere"),
        ("/bin/true", Path("/bin/true"), errno.ENOTDIR, "/bin/true"),
    ],
)
def test_what_keeps_it_from_starting_is_named(
    name: str, folder: Path | None, code: int, named: str
) -> None:
    """The program or the folder; nothing is left, no descriptor and no child."""
    before = (open_files(), procfs.children())
    with pytest.raises(OSError, match=os.strerror(code)) as raised:
        run(recipe(name, folder=folder))
    assert raised.value.errno == code
    assert str(raised.value.filename) == named
    assert (open_files(), procfs.children()) == before


@pytest.mark.parametrize(
    "spoilt",
    [
        recipe("/bin/echo", "a\0b"),
        recipe("/bin/echo")._replace(environment=[b"A=\0"]),
        recipe("/bin/echo", folder=Path("/\0")),
    ],
)
def test_zero_bytes_are_refused(spoilt: Recipe) -> None:
    """None would arrive as it is."""
    with pytest.raises(ValueError, match="null"):
        run(spoilt)
