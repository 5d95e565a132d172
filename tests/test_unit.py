"""The systemd unit: systemd itself finds nothing wrong with it, and it fits the daemon."""

import configparser
import subprocess
from pathlib import Path

from musterd.service import AT_ONCE, LAST_WRITES
from musterd.settings import Settings
from tests.support.tools import require

UNIT = Path(__file__).parents[1] / "systemd/musterd.service"


def test_systemd_accepts_the_unit() -> None:
    """`systemd-analyze verify` says nothing, and exits with 0."""
    verified = subprocess.run(
        [require("systemd-analyze"), "verify", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.stdout, verified.stderr, verified.returncode) == ("", "", 0)


def test_stop_timeout_leaves_time_for_the_drain() -> None:
    """It waits longer than the drain, the agents' grace and their last writes take."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # the documented way
    unit.read(UNIT)
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    longest = defaults["drain_timeout"] + defaults["kill_grace"] + 2 * LAST_WRITES + AT_ONCE
    assert int(unit["Service"]["TimeoutStopSec"]) > longest
