"""The state folder's files: locks, private folders, and where a socket fits."""

import os
import stat
from pathlib import Path

import pytest

from musterd import state_dir
from musterd.errors import StateDirError


def test_held_names_the_holder(tmp_path: Path) -> None:
    """The folder is made, its lock names us to the next one, and is free again after."""
    folder = tmp_path / "a" / "b"
    with (
        state_dir.held(folder),
        pytest.raises(StateDirError, match=f"process {os.getpid()} uses it"),
        state_dir.held(folder),
    ):
        pass
    with state_dir.held(folder):
        assert state_dir.read(folder / "lock") == f"{os.getpid()}\n"


def test_holder(tmp_path: Path) -> None:
    """Who has the folder; not who had it, nor a process that has got the same number since."""
    assert state_dir.holder(tmp_path) is None
    with state_dir.held(tmp_path):
        assert state_dir.holder(tmp_path) == os.getpid()
    assert state_dir.read(tmp_path / "lock") == f"{os.getpid()}\n"
    assert state_dir.holder(tmp_path) is None
    (tmp_path / "lock").write_text("../self\n")
    assert state_dir.holder(tmp_path) is None


def test_what_happens_inside_is_not_the_folders_fault(tmp_path: Path) -> None:
    """An error of the body goes through as it is."""
    with pytest.raises(FileNotFoundError), state_dir.held(tmp_path):
        (tmp_path / "absent").read_bytes()


def test_lock_does_not_follow_links(tmp_path: Path) -> None:
    """A link in the place of a lock is refused: what it leads to is not ours."""
    (tmp_path / "lock").symlink_to(tmp_path / "other")
    with pytest.raises(StateDirError, match=r"/lock: "), state_dir.held(tmp_path):
        pass
    assert not (tmp_path / "other").exists()


def test_make_private(tmp_path: Path) -> None:
    """A folder of ours that all can read becomes private; a link and a file are refused."""
    (tmp_path / "folder").mkdir(mode=0o755)
    state_dir.make_private(tmp_path / "folder")
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        with pytest.raises(StateDirError, match=name):
            state_dir.make_private(tmp_path / name)


def test_socket_in_the_folder(tmp_path: Path) -> None:
    """Where it fits, the socket is in the folder itself; what was left of an old one goes."""
    (tmp_path / "socket").touch()
    assert state_dir.choose_socket(tmp_path) == tmp_path / "socket" == state_dir.socket_of(tmp_path)
    assert not (tmp_path / "socket").exists()


def test_socket_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it is in a short private folder, found by a link, and removed with it."""
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    place = state_dir.choose_socket(folder)
    assert place.parent.parent == tmp_path
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert state_dir.socket_of(folder) == place
    place.touch()
    assert state_dir.choose_socket(folder) == place
    assert not place.exists()
    state_dir.remove_socket(folder)
    assert list(tmp_path.iterdir()) == [folder]
    assert list(folder.iterdir()) == []


def test_no_place_for_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the session's folders are, it is in /tmp; without that, the error says so."""
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    assert state_dir.choose_socket(folder).parent.parent == Path("/tmp")  # noqa: S108 - so it says
    state_dir.remove_socket(folder)
    monkeypatch.setattr(state_dir, "_SHORTEST", folder)
    with pytest.raises(StateDirError, match="too long for the path of a socket"):
        state_dir.choose_socket(folder)
