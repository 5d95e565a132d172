"""The folders in which agents leave their results, one for each life of a daemon."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import anyio

from musterd import ids


def folder(state_dir: Path, epoch: str) -> Path:
    """Where the agents of one life leave theirs. It is made when the first of them starts."""
    return state_dir / "results" / epoch


async def clear(state_dir: Path, epochs: Iterable[str]) -> None:
    """Remove what lives that are over have left; what cannot be removed stays.

    Epochs come from the server, where somebody may have written `../..`: that is none.
    """
    for epoch in filter(ids.is_name, epochs):
        await anyio.to_thread.run_sync(_remove, folder(state_dir, epoch))


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
