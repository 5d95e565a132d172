"""Where settings come from, and how they are written down."""

from collections.abc import Callable
from pathlib import Path

import pytest

from musterd.doctor.examination import examine
from musterd.settings import load
from tests.doctor.conftest import Examine, one, told

SECRET = "hunter2"  # noqa: S105 - a secret only for these tests


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write the working folder's `.env`, private unless told; its path."""
    path = tmp_path / ".env"

    def file(text: str, mode: int = 0o600) -> Path:
        path.write_text(text)
        path.chmod(mode)
        return path

    return file


async def test_sources(monkeypatch: pytest.MonkeyPatch, write: Callable[..., Path]) -> None:
    """Option, environment, `.env`, default: the one that wins is told, with the value."""
    write("MUSTERD_NODE=n1\nMUSTERD_CAPACITY=5\nMUSTERD_LOG_LEVEL=\n")
    monkeypatch.setenv("MUSTERD_CAPACITY", "6")
    monkeypatch.setenv("MUSTERD_PREFIX", "p")
    report = await examine(load(prefix="q", host="127.0.0.1", port=1), {"prefix", "host", "port"})
    found = {origin.name: (origin.value, origin.source) for origin in report.settings}
    assert found["MUSTERD_NODE"] == ("n1", ".env")
    assert found["MUSTERD_CAPACITY"] == ("6", "environment")
    assert found["MUSTERD_PREFIX"] == ("q", "option")
    assert found["MUSTERD_LOG_LEVEL"] == ("info", "default")
    assert found["MUSTERD_EMBEDDED"] == ("false", "default")


@pytest.mark.parametrize("password", [SECRET, f"redis://{SECRET}"])
async def test_no_password_is_shown(
    examined: Examine, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """A password is starred out, also within a URL, also one that looks like a URL."""
    monkeypatch.setenv("VALKEY_PASSWORD", password)
    report = await examined(url=f"redis://:{SECRET}@127.0.0.1:1/0")
    found = {origin.name: origin.value for origin in report.settings}
    assert (found["VALKEY_PASSWORD"], found["VALKEY_URL"]) == ("***", "redis://***")
    assert SECRET not in str(report.as_json())


@pytest.mark.parametrize(
    "line",
    [
        f"VALKEY_PASSWORD={SECRET}",
        f"VALKEY_URL=redis://:{SECRET}@127.0.0.1:1",
        f"SOME_API_KEY={SECRET}",
    ],
)
async def test_file_with_secrets_that_others_can_read(
    examined: Examine, write: Callable[..., Path], line: str
) -> None:
    """Secrets that others can read are warned about, by name."""
    file = write(f"{line}\n", 0o640)
    report = await examined()
    what = one(report, "warning", "settings")
    assert what.startswith(f"others can read {file} (640)")
    assert what.endswith(line.partition("=")[0])
    assert SECRET not in str(report)
    write(f"{line}\n")
    assert told(await examined(), "warning", "settings") == []


async def test_file_without_secrets(examined: Examine, write: Callable[..., Path]) -> None:
    """Without secrets others may read it, but not change it."""
    write("VALKEY_URL=redis://127.0.0.1:1\nVALKEY_PASSWORD=\n", 0o644)
    assert told(await examined(), "warning", "settings") == []
    write("", 0o666)
    assert "others can change" in one(await examined(), "warning", "settings")


async def test_misspelt_names(
    examined: Examine, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name of ours that is no setting is told, with the one that was meant."""
    write("MUSTERD_CAPACTIY=5\nVALKEY_EXTRA_FLAGS=1\nOTHER=1\n")
    monkeypatch.setenv("VALKEY_PASWORD", SECRET)
    report = await examined()
    assert told(report, "warning", "settings") == [
        "MUSTERD_CAPACTIY in .env is no setting",
        "VALKEY_PASWORD in the environment is no setting",
    ]
    assert "did you mean MUSTERD_CAPACITY?" in {finding.do for finding in report.findings}


async def test_inside_an_agent(examined: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an agent is given in its environment is not mistaken for settings."""
    for name in ("MUSTERD_OWNER", "MUSTERD_TASK_ID", "MUSTERD_AGENT_ID"):
        monkeypatch.setenv(name, "x")
    assert told(await examined(), "warning", "settings") == []


async def test_settings_without_effect(examined: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another setting wins over is noted."""
    monkeypatch.setenv("VALKEY_HOST", "elsewhere")
    assert "VALKEY_HOST is not used: VALKEY_URL wins" in told(await examined(), "note", "settings")
    notes = told(await examined(url=None, embedded=True), "note", "settings")
    assert notes == ["VALKEY_HOST is not used: MUSTERD_EMBEDDED wins"]
