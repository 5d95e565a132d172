"""What is told of kinds that are loaded, and a reload of what cannot be used."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from musterd.configuration import Configuration
from musterd.settings import Settings
from tests.support.fixtures import LoadSettings


def test_whatever_a_module_does_a_reload_is_refused(
    settings: LoadSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would end the daemon, and all its agents."""
    (tmp_path / "breaking.py").write_text("def __getattr__(name): raise RuntimeError(name)\n")
    monkeypatch.syspath_prepend(tmp_path)

    def read() -> Settings:
        return settings(agents="breaking:agents", capacity=7)

    configuration = Configuration(settings(), read)
    configuration.load(tmp_path)
    applied: list[int] = []
    with capture_logs() as lines:
        configuration._reload(applied.append)
    assert (applied, configuration.kinds) == ([], {})
    assert configuration.refused == "RuntimeError: agents"
    assert [line["event"] for line in lines] == ["reload refused, nothing has changed"]


def test_limits_that_cannot_be_applied_are_told(settings: LoadSettings, tmp_path: Path) -> None:
    """A line for each kind that has some: which, why, and what to do."""
    (tmp_path / "agents.toml").write_text(
        """
        [agents.free]
        command = ["true"]
        [agents.small]
        command = ["true"]
        memory_max = "64M"
        pids_max = 9
        """
    )
    loaded = settings(agents=str(tmp_path / "agents.toml"))
    configuration = Configuration(loaded, lambda: loaded)
    with capture_logs() as lines:
        configuration._load(loaded)  # as where no control group was found
    (line,) = (line for line in lines if line["event"] == "limits not applied")
    assert line["log_level"] == "warning"
    assert (line["kind"], line["limits"]) == ("small", ["memory_max", "pids_max"])
    assert line["why"] == "this daemon has no control group to itself"
    assert "Delegate=cpu memory pids" in line["hint"]
