"""A reload of what cannot be used."""

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
