"""The desk of a plain function, in whose process several threads may use it."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from time import sleep
from typing import Any

from musterd.runtimes.base import SAVED
from musterd.runtimes.worker_desk import WorkerDesk


def keep(checkpoint: Path, over: Event) -> None:
    """Do as the daemon does: keep what lies there, and say so."""
    saved = Path(f"{checkpoint}{SAVED}")
    while not over.wait(0.002):
        if checkpoint.exists():
            text = checkpoint.read_text(encoding="utf-8")
            sleep(0.002)  # as if it was asked to be kept by a server
            saved.write_text(text, encoding="utf-8")


def test_threads_take_turns(tmp_path: Path) -> None:
    """Each sees its own checkpoint kept; a progress report is whole."""
    checkpoint, over = tmp_path / "checkpoint", Event()
    desk = WorkerDesk(tmp_path / "progress", checkpoint)
    daemon = Thread(target=keep, args=(checkpoint, over))
    daemon.start()
    try:
        with ThreadPoolExecutor(4) as threads:
            told: list[Future[Any]] = []
            for number in range(20):
                told.append(threads.submit(desk.checkpoint, str(number)))
                told.append(threads.submit(desk.progress, number / 20, "half"))
            for one in told:
                one.result()
    finally:
        over.set()
        daemon.join()
    assert not list(tmp_path.glob("*.new"))
    assert (tmp_path / "progress").read_text().endswith(" half")
