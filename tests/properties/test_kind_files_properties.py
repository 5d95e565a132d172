"""Kind files: any text is a list of kinds or a KindError that names the file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd import kind_files
from musterd.errors import KindError
from tests.properties.values import mutated

GOOD = [
    b'[agents.check]\ncommand = ["bash", "check.sh"]\ntimeout = 600\nmax_attempts = 3\n',
    b'[agents.a]\ncommand = ["a"]\nmax_concurrent = 4\nbackoff = 0.5\nbackoff_max = 8\n',
    b'[agents.a]\ncommand = ["a"]\nworking_directory = "b"\nenvironment = { LANG = "C" }\n',
    b'agents.a.command = ["a"]\nagents.a.timeout = 1\n[agents."b.c"]\ncommand = ["b"]\n',
    b'[agents]\nx = { command = ["x"] }\n[agents.x.environment]\nA = "b"\n',
]
KEYS = ("command", "timeout", "max_attempts", "max_concurrent", "backoff", "backoff_max",
        "working_directory", "environment", "timeuot")  # fmt: skip
VALUES = st.sampled_from([
    "true", "-1", "0", "1.5", "nan", "-inf", "1e400", "9" * 400, "9" * 5000, "''", "'a'", "[]",
    "[1]", "['a']", "[['a']]", "{}", "{a = 1}", "{'' = 'a'}", "{'a=b' = 'c'}", "1979-05-27",
    "1979-05-27T07:32:00Z", "07:32:00", "0x10", '"\\u0000"', '["\\u0000"]', "'''\n'''",
])  # fmt: skip


def read(folder: Path, data: bytes) -> str:
    """The problem with a file of these bytes; empty if there is none."""
    path = folder / "agents.toml"
    path.write_bytes(data)
    try:
        kinds = list(kind_files.read(str(path)))
    except KindError as error:
        assert error.exit_code == 2  # noqa: PT017 - raised or not, it is looked at here
        return str(error)
    assert kinds
    return ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the file stands."""
    return tmp_path_factory.mktemp("kinds")


@given(data=st.binary() | st.text().map(str.encode) | mutated(st.sampled_from(GOOD)))
def test_any_file_is_read_or_refused(folder: Path, data: bytes) -> None:
    """With the file's name; never with anything but KindError."""
    problem = read(folder, data)
    assert not problem or problem.startswith(f"MUSTERD_AGENTS: {folder}/agents.toml: ")


@given(key=st.sampled_from(KEYS), value=VALUES)
def test_any_value_of_a_key_is_judged(folder: Path, key: str, value: str) -> None:
    """A wrong one is told with its key and line, or as no TOML, which tells the line itself."""
    other = "" if key == "command" else 'command = ["a"]\n'
    problem = read(folder, f"[agents.x]\n{other}{key} = {value}\n".encode())
    line = 3 if other else 2
    assert not problem or f"line {line}: agents.x.{key}" in problem or "not TOML: " in problem
