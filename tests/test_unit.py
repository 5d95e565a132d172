"""The systemd units: systemd itself finds nothing wrong with them, and they fit the daemon."""

import configparser
import subprocess
from pathlib import Path

import pytest

from musterd.leaving import AT_ONCE, LAST_WRITES
from musterd.report import MORE_TIME, TELL_EVERY
from musterd.runtimes.process import _SYSTEMD
from musterd.settings import Settings
from tests.support.tools import require

FOLDER = Path(__file__).parents[1] / "systemd"
UNITS = ("musterd.service", "musterd@.service")
PROGRAM = "/usr/local/bin/musterd"

INSTANCE = {
    "Description=musterd, a supervisor of agents (%i)",
    "WorkingDirectory=/var/lib/musterd-%i",
    "Environment=MUSTERD_ENV_FILE=/etc/musterd/%i.env",
    "Environment=MUSTERD_NODE=%H-%i",
    "StateDirectory=musterd-%i",
}


def read(name: str) -> configparser.ConfigParser:
    """A unit; of options that are given twice the last one."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # the documented way
    unit.read(FOLDER / name)
    return unit


@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_the_unit(tmp_path: Path, name: str) -> None:
    """`systemd-analyze verify` says nothing, and exits with 0; the program is looked for, too."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    copy = tmp_path / name
    copy.write_text(text.replace(PROGRAM, "/bin/true"), encoding="utf-8")
    verified = subprocess.run(
        [require("systemd-analyze"), "verify", str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.stdout, verified.stderr, verified.returncode) == ("", "", 0)


def test_instances_are_the_same_unit() -> None:
    """`musterd@.service` differs in names alone."""
    one, other = ((FOLDER / name).read_text(encoding="utf-8").splitlines() for name in UNITS)
    assert set(other) - set(one) == INSTANCE
    assert len(set(one) - set(other)) == len(INSTANCE) - 1


def test_stop_timeout_leaves_time_for_the_drain() -> None:
    """It waits longer than the drain, the agents' grace and their last writes take."""
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    longest = defaults["drain_timeout"] + defaults["kill_grace"] + 2 * LAST_WRITES + AT_ONCE
    assert int(read(UNITS[0])["Service"]["TimeoutStopSec"]) > longest


def test_more_time_is_asked_for_before_it_is_over() -> None:
    """A drain asks so often that two looks may be missed, and what comes after it still fits in."""
    assert MORE_TIME > 2 * TELL_EVERY + LAST_WRITES + AT_ONCE


def test_agents_are_told_nothing_of_the_services_own() -> None:
    """Neither where systemd listens nor where the secrets are reaches an agent."""
    assert {"NOTIFY_SOCKET", "WATCHDOG_USEC", "CREDENTIALS_DIRECTORY"} <= _SYSTEMD
