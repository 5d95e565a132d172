"""When Python looks for garbage."""

import subprocess
import sys

CODE = """
import gc
usual = gc.get_threshold()
from musterd import garbage
garbage.look_rarely()
print(gc.get_threshold()[0] > 10 * usual[0])
garbage.look_seldom()
print(usual < gc.get_threshold() < (100_000,), gc.get_freeze_count() > 0, gc.isenabled())
"""


def test_a_daemon_looks_seldom() -> None:
    """Rarely while a command is imported; now and then, but past what is there, from then on."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 4
