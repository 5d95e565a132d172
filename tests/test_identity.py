"""Which process something is, and whether that very one is alive."""

import os
import subprocess
import sys

import pytest

from musterd import identity
from tests.support.wait import wait_until

_TELL = "import musterd.identity as i; print(i.own(), flush=True); input()"


def test_this_process_is_alive() -> None:
    """And has the same identity each time."""
    assert identity.own() == identity.own()
    assert identity.is_alive(identity.own()) is True


def test_same_number_of_another_start_is_dead() -> None:
    """A process id that has been given to a stranger."""
    boot, namespace, pid, start = identity.own().split("/")
    assert identity.is_alive(f"{boot}/{namespace}/{pid}/{int(start) + 1}") is False


def test_same_process_of_another_machine_cannot_be_seen() -> None:
    """Another boot, or another container."""
    boot, namespace, pid, start = identity.own().split("/")
    assert identity.is_alive(f"other/{namespace}/{pid}/{start}") is None
    assert identity.is_alive(f"{boot}/0/{pid}/{start}") is None


@pytest.mark.parametrize("text", ["", "x", "a/b/c", "a/b/c/d/e"])
def test_what_is_no_identity_cannot_be_judged(text: str) -> None:
    """Somebody else's record, say."""
    assert identity.is_alive(text) is None


@pytest.mark.parametrize("pid", ["", "x", "-1", "1/2", "9999999999", "9" * 5000])
def test_number_that_is_no_process_is_dead_or_unknown(pid: str) -> None:
    """But never alive, and never an error."""
    boot, namespace, _, start = identity.own().split("/")
    assert not identity.is_alive(f"{boot}/{namespace}/{pid}/{start}")


async def test_dead_process_is_dead_before_it_is_reaped() -> None:
    """A zombie has an entry still: its parent has not asked how it ended."""
    with subprocess.Popen(  # noqa: ASYNC220 - it is to be left unreaped on purpose
        [sys.executable, "-c", _TELL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    ) as process:
        assert process.stdout is not None
        told = process.stdout.readline().strip()
        assert identity.is_alive(told) is True
        process.kill()
        await wait_until(lambda: identity.is_alive(told) is False)
    assert identity.is_alive(told) is False


def test_hidden_process_is_not_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's daemon where /proc shows only our own processes (`ProtectProc=invisible`)."""

    def refuse(_: int, __: int) -> None:
        raise PermissionError

    boot, namespace, _, start = identity.own().split("/")
    monkeypatch.setattr(os, "kill", refuse)
    assert identity.is_alive(f"{boot}/{namespace}/4194304/{start}") is None
