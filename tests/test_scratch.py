"""Where agents leave results, and what a start removes of it."""

from pathlib import Path

from musterd import scratch


async def test_only_folders_of_lives_are_removed(tmp_path: Path) -> None:
    """Whatever somebody has written on the server as a life that is over."""
    state = tmp_path / "state"
    beside = tmp_path / "beside"
    for folder in (beside, scratch.folder(state, "old"), scratch.folder(state, "new")):
        folder.mkdir(parents=True)
    nonsense = ["", ".", "..", "../..", "../../beside", str(beside), "old/../new", "\0", "x" * 5000]
    await scratch.clear(state, [*nonsense, "old"])
    assert beside.is_dir()
    assert [path.name for path in (state / "results").iterdir()] == ["new"]
