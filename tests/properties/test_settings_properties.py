"""Settings: each one wrong, one by one; and any text for any of them is accepted or refused."""

import os
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.errors import SettingError
from musterd.settings import Settings, load

NAMES = {name: str(field.validation_alias) for name, field in Settings.model_fields.items()}
HALF = os.fsdecode(b"\xff")
"""What a byte that is no UTF-8 is in the environment."""

NUMBERS = ["", "0", "-1", "1.5", "1e3", "many", "nan", "0x10", "9" * 5000, HALF]
SECONDS = ["-1", "soon", "nan", "inf", "315360001", "1s", "9" * 5000, HALF]
CHOICES = ["loud", "xml", "9" * 5000, HALF]
SIZES = [
    name for name in NAMES if name.startswith("max_") and name not in {"max_messages", "max_kinds"}
]
BAD: dict[str, list[str]] = {
    "env_file": ["nowhere", "."],
    "host": ["a/b", "a b", "user@host", "[::1]", "a\nb", "redis://h", HALF],
    "port": [*NUMBERS[1:], "65536"],
    "password_file": ["nowhere", "."],
    "password": [HALF, f"redis://:p@{HALF}"],
    "url": ["localhost", "http://h", "redis://h:0", "redis://h:x", "unix://", "redis://h/x",
            "redis://h?retry=1", "redis://[::1", f"redis://{HALF}", "9" * 5000],
    "username": [HALF],
    "db": ["-1", "65536", *NUMBERS[3:]],
    "embedded": ["maybe", "2", "tru", HALF],
    "state_dir": ["a\0b"],
    "prefix": ["a b", "a*", "a?", "[a]", "a\\b", "{}", "{a}{b}", "a{", "ü", "a\n", "a" * 101, HALF],
    "node": ["-a", ".a", "a/b", "a:b", "a b", "ü", "a\n", "a" * 101, HALF],
    "agents": ["a\0.toml"],
    "capacity": [*NUMBERS[1:], "1000001"],
    "heartbeat_ttl": ["0", "0.99", *SECONDS],
    "kill_grace": SECONDS,
    "drain_timeout": SECONDS,
    "event_log_length": [*NUMBERS[1:], "1000000001"],
    "retention": ["0", *SECONDS],
    "retention_count": [*NUMBERS[1:], "1000000001"],
    "output_lines": ["-1", "10001", *NUMBERS[3:]],
    "max_messages": [*NUMBERS[1:], "1001"],
    "max_kinds": [*NUMBERS[1:], "1901"],
    **{name: ["255", "1048577", *NUMBERS[1:]] for name in SIZES},
    "log_level": [*CHOICES, "INFO ", "critical"],
    "log_format": CHOICES,
}  # fmt: skip
"""A new setting stands here with what it must not accept, or the test below fails."""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # no `.env` of this machine


def test_each_setting_can_be_wrong() -> None:
    """None is left out of the table."""
    assert BAD.keys() == Settings.model_fields.keys()
    assert all(BAD.values())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param(field, value, id=f"{field}-{number}")
        for field, values in BAD.items()
        for number, value in enumerate(values)
    ],
)
def test_wrong_value(monkeypatch: pytest.MonkeyPatch, field: str, value: str) -> None:
    """One line of bearable length: the setting, the value, and what is accepted; exit code 2."""
    if "\0" in value:  # no environment holds one; a file does
        Path(".env").write_text(f"{NAMES[field]}={value}\n", encoding="utf-8")
    else:
        monkeypatch.setenv(NAMES[field], value)
    with pytest.raises(SettingError) as caught:
        load()
    message = str(caught.value)
    accepted = Settings.model_fields[field].description
    assert message.startswith(f"{NAMES[field]}: '")
    assert message.endswith(f"' is not accepted; give {accepted}")
    assert "\n" not in message
    assert len(message) < 500
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [("capacity", "many"), ("heartbeat_ttl", "nan"), ("prefix", "a b"), ("password", HALF),
     ("url", "redis://:secret@h:x"), ("agents", "none.toml"), ("agents", "no.such.module")],
)  # fmt: skip
def test_the_daemon_does_not_start(tmp_path: Path, field: str, value: str) -> None:
    """The process itself: exit code 2 at once, and that line on standard error alone."""
    done = subprocess.run(
        [sys.executable, "-m", "musterd", "run"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
        | {NAMES[field]: value, "MUSTERD_STATE_DIR": str(tmp_path)},
        capture_output=True,
        timeout=30,
        check=False,
    )
    text = done.stderr.decode()
    assert (done.returncode, done.stdout, text.count("\n")) == (2, b"", 1)
    assert text.startswith(f"musterd: {NAMES[field]}: ")
    assert "secret" not in text


WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.sampled_from(sorted(NAMES)), WORDS | st.integers().map(str) | st.floats().map(str))
def test_any_value_is_judged(field: str, value: str) -> None:
    """It is refused in one short line, or can be used: the server's URL can be made of it."""
    message = ""
    with patch.dict(os.environ, {NAMES[field]: value}):
        try:
            settings = load()
        except SettingError as error:
            message = str(error)
        else:
            assert settings.server_url
            assert settings.server_name
    assert not message or message.startswith(f"{NAMES[field]}: ")
    assert "\n" not in message
    assert len(message) < 500


LINES = st.lists(
    st.builds(
        lambda name, between, value: f"{name}{between}{value}".encode(),
        st.sampled_from([*NAMES.values(), "OTHER", "export VALKEY_HOST", ""]),
        st.sampled_from(["=", " = ", "='", '="', ""]),
        WORDS,
    )
    | st.binary(max_size=20)
)


@given(LINES)
@pytest.mark.filterwarnings("ignore")
def test_any_file_is_judged(lines: list[bytes]) -> None:
    """A `.env` of whatever lines and bytes: settings, or a SettingError."""
    Path(".env").write_bytes(b"\n".join(lines))
    with patch.dict(os.environ):
        try:
            settings = load()
        except SettingError:
            return
    assert settings.server_name


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    """Is no file of settings."""
    (tmp_path / "x" / ".env").mkdir(parents=True)
    with chdir(tmp_path / "x"):
        assert load().capacity == 1000
