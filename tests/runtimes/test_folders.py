"""Folders that are used again, as long as nobody has put anything into them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from musterd.runtimes.exchange import Exchange
from musterd.runtimes.folders import Folders, folders_in, is_untouched
from tests.support.contexts import PaperDesk, make_context


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """In a place that is not there yet."""
    return Folders(tmp_path / "scratch")


def test_untouched_folder_is_used_again(folders: Folders) -> None:
    """By one after the other, never by two at once."""
    first, second = folders.take(), folders.take()
    assert first != second
    folders.give_back(first, untouched=True)
    assert folders.take() == first
    assert Path(first).stat().st_mode & 0o777 == 0o700


def touch(folder: Path) -> None:
    """Leave a file."""
    (folder / "file").touch()


def touch_and_tidy(folder: Path) -> None:
    """Leave nothing, but have had something."""
    (folder / "file").touch()
    (folder / "file").unlink()


def lock(folder: Path) -> None:
    """Let nobody write there."""
    folder.chmod(0o500)


def replace(folder: Path) -> None:
    """Put another in its place."""
    folder.rmdir()
    folder.mkdir(mode=0o700)


def link(folder: Path) -> None:
    """Lead away from it."""
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")


def fill(folder: Path) -> None:
    """Put a file in its place."""
    folder.rmdir()
    folder.touch()


WAYS = [touch, touch_and_tidy, lock, replace, link, fill, shutil.rmtree]


@pytest.mark.parametrize("spoil", WAYS)
@pytest.mark.parametrize("idle", [False, True])
def test_folder_that_was_touched_is_used_once(
    folders: Folders, spoil: Callable[[Path], object], *, idle: bool
) -> None:
    """Whatever its agent has done to it, or somebody else while it was nobody's; it is removed."""
    first = folders.take()
    if idle:
        folders.give_back(first, untouched=True)
        spoil(Path(first))
    else:
        spoil(Path(first))
        folders.give_back(first, untouched=is_untouched(first))
    second = folders.take()
    assert second != first
    assert list(Path(second).iterdir()) == []
    assert not os.path.lexists(first)


def test_folder_without_its_time_is_used_once(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file system keeps none, nobody can tell whether it was touched."""
    monkeypatch.setattr(os, "utime", lambda *_: None)
    first = folders.take()
    assert not is_untouched(first)
    folders.give_back(first, untouched=is_untouched(first))
    assert folders.take() != first


def test_few_are_kept(folders: Folders, tmp_path: Path) -> None:
    """After many were in use at once."""
    for folder in [folders.take() for _ in range(100)]:
        folders.give_back(folder, untouched=True)
    assert len(list((tmp_path / "scratch").iterdir())) == 64


def test_kinds_that_are_read_again_use_the_same(tmp_path: Path) -> None:
    """Those of one place are known by it."""
    assert folders_in(tmp_path / "one") is folders_in(tmp_path / "one")
    assert folders_in(tmp_path / "one") is not folders_in(tmp_path / "other")


def test_late_writer_leaves_the_next_agent_alone(folders: Folders) -> None:
    """One that outlived its agent unseen writes where that agent's files were: it is not read."""
    earlier = Exchange(folders, make_context())
    places = earlier.variables().values()
    earlier.close(PaperDesk())
    earlier.remove()
    exchange = Exchange(folders, make_context(agent_id="t2.1"))
    for place in places:
        assert Path(place).parent == Path(exchange.variables()["MUSTERD_RESULT"]).parent
        Path(place).write_text("0.5")
    desk = PaperDesk()
    exchange.close(desk)
    assert exchange.result() is None
    assert (desk.told, desk.checkpoints) == ([], [])
