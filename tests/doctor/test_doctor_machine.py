"""What the doctor finds on this machine, without any server."""

import resource
import shutil
from pathlib import Path

import pytest

from tests.doctor.conftest import Examine, one, told


async def test_without_a_server(examined: Examine) -> None:
    """What can be said without a server is said; then it is exit 5."""
    report = await examined()
    assert len(told(report, "ok", "this machine")) == 3
    assert "is not reachable" in one(report, "problem", "connection")
    assert report.exit_code == 5


async def test_embedded_server_that_does_not_run(examined: Examine, tmp_path: Path) -> None:
    """The embedded server is looked for, not started: exit 5, and nothing was made."""
    report = await examined(url=None, embedded=True)
    assert "no embedded server runs there" in one(report, "problem", "connection")
    assert report.exit_code == 5
    assert not (tmp_path / "state").exists()


async def test_folder_of_ones_own(examined: Examine, tmp_path: Path) -> None:
    """A private folder is fine."""
    (tmp_path / "state").mkdir(mode=0o700)
    assert "mode 700" in told(await examined(), "ok", "this machine")[0]


async def test_folder_that_others_write(examined: Examine, tmp_path: Path) -> None:
    """Others must not be able to plant results."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    report = await examined()
    assert "others can write" in one(report, "warning", "this machine")


async def test_file_in_its_place(examined: Examine, tmp_path: Path) -> None:
    """A file where the folder should be, or above it, is a problem."""
    (tmp_path / "file").touch()
    report = await examined(state_dir=tmp_path / "file")
    assert one(report, "problem", "this machine").endswith("is no folder")
    report = await examined(state_dir=tmp_path / "file" / "state")
    assert "does not let this user make it" in one(report, "problem", "this machine")


@pytest.mark.parametrize(
    ("free", "embedded", "level"),
    [(50, False, "problem"), (500, True, "warning"), (500, False, "ok"), (5000, True, "ok")],
)
async def test_free_space(
    examined: Examine,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    embedded: bool,  # noqa: FBT001 - a column of the table
    level: str,
) -> None:
    """How much room there must be depends on whether a server lives there."""
    usage = shutil.disk_usage("/")._replace(free=free * 1024 * 1024)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    report = await examined(url=None, embedded=embedded)
    assert any(f"{free} MiB are free" in what for what in told(report, level, "this machine"))


async def test_long_socket_path(examined: Examine, tmp_path: Path) -> None:
    """A path that is too long for a socket is noted, for an embedded server alone."""
    long = tmp_path / ("x" * 100)
    assert told(await examined(state_dir=long), "note", "this machine") == []
    report = await examined(url=None, state_dir=long, embedded=True)
    assert "the path of the embedded server's socket" in one(report, "note", "this machine")
    short = await examined(url=None, state_dir=Path("/s"), embedded=True)
    assert any("16 of 107" in what for what in told(short, "ok", "this machine"))


async def test_open_files(examined: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    """More agents than processes can be open is a warning."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1024))
    report = await examined(capacity=1000)
    assert "open files here: 1024" in one(report, "warning", "this machine")
    assert told(await examined(capacity=10), "warning", "this machine") == []
