"""Every setting, its default and what is accepted.

A password leaves this module as a `SecretStr` or inside `Settings.server_url`, and by no other way:
not in an error, not in `Settings.server_name`.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from musterd import environment, jsons, urls
from musterd.errors import SettingError

MAX_SECONDS = 10 * 365 * 86_400
"""Ten years: no duration, in ms, comes near the numbers that Lua cannot hold exactly."""

LEAST_SIZE = 256
"""Bytes: less would refuse what is no trouble to anybody."""

_SHOWN = 200
"""Characters of a refused value that its error shows."""

MOST_LINES = 1000
MOST_KINDS = 1900
"""A step takes so many, with up to four arguments each; Lua hands on less than 8000."""

_CREDENTIAL = "valkey-password"

_PREFIX_CHARACTER = r"[A-Za-z0-9!#$%&()+,./:;<=>@^_|~-]"


_ENV_FILE = "the path of a readable file of NAME=value lines"


def _setting(name: str, default: Any, accepts: str, **limits: Any) -> Any:
    if callable(default):
        return Field(default_factory=default, validation_alias=name, description=accepts, **limits)
    return Field(default, validation_alias=name, description=accepts, **limits)


def _seconds(name: str, default: float, least: int) -> Any:
    accepts = f"a number of seconds from {least} to {MAX_SECONDS}"
    return _setting(name, default, accepts, ge=least, le=MAX_SECONDS, allow_inf_nan=False)


def _count(name: str, default: int, most: int) -> Any:
    return _setting(name, default, f"a whole number from 1 to {most}", ge=1, le=most)


def _size(name: str, default: int) -> Any:
    accepts = f"a number of bytes from {LEAST_SIZE} to {jsons.MAX_BYTES}"
    return _setting(name, default, accepts, ge=LEAST_SIZE, le=jsons.MAX_BYTES)


def _check_url(url: SecretStr) -> SecretStr:
    urls.check(url.get_secret_value())
    return url


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part for part in map(str.strip, value.split(",")) if part)
    return value


def _absolute(path: Path) -> Path:
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - Path's raises without a home


def _password(others: dict[str, Any]) -> SecretStr | None:
    """From the file that was named, else from systemd's credentials (`LoadCredential=`)."""
    path: Path | None = others.get("password_file")
    path = path or environment.credential(_CREDENTIAL)
    if path is None:
        return None
    try:
        return SecretStr(path.read_text(encoding="utf-8").removesuffix("\n")) or None
    except (OSError, UnicodeDecodeError):
        accepted = "the path of a readable text file"
        raise SettingError("VALKEY_PASSWORD_FILE", str(path), accepted) from None


# Of any bytes but zero, as the names of files are.
_PATHS = frozenset({"state_dir", "agents"})


class Settings(BaseSettings):
    """The settings of one process. Durations are seconds."""

    model_config = SettingsConfigDict(
        frozen=True,
        case_sensitive=True,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    env_file: Path = _setting("MUSTERD_ENV_FILE", Path(".env"), _ENV_FILE)
    host: str = _setting(
        "VALKEY_HOST", "localhost", "a host name or an address", pattern=r"^[^\s/@?#\[\]]+$"
    )
    port: int = _count("VALKEY_PORT", 6379, 65_535)
    password_file: Path | None = _setting(
        "VALKEY_PASSWORD_FILE", None, "the path of a readable text file"
    )
    password: SecretStr | None = _setting("VALKEY_PASSWORD", _password, "a password")
    url: Annotated[SecretStr, AfterValidator(_check_url)] | None = _setting(
        "VALKEY_URL", None, urls.ACCEPTED
    )
    username: str | None = _setting("VALKEY_USERNAME", None, "the name of an ACL user")
    db: int = _setting("VALKEY_DB", 0, "a whole number from 0 to 65535", ge=0, le=65_535)
    embedded: bool = _setting("MUSTERD_EMBEDDED", default=False, accepts="true or false")
    state_dir: Annotated[Path, AfterValidator(_absolute)] = _setting(
        "MUSTERD_STATE_DIR", environment.state_dir, "the path of a folder"
    )
    prefix: str = _setting(
        "MUSTERD_PREFIX",
        "orchestrator",
        "1 to 100 printable ASCII characters without spaces, quotes or any of *?[]\\, "
        "with at most one {tag}",
        pattern=rf"^{_PREFIX_CHARACTER}*(\{{{_PREFIX_CHARACTER}+\}}{_PREFIX_CHARACTER}*)?$",
        min_length=1,
        max_length=100,
    )
    node: str = _setting(
        "MUSTERD_NODE",
        environment.node_name,
        "at most 100 letters, digits, dots, underscores and hyphens, "
        "the first of them a letter or a digit",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=100,
    )
    agents: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = _setting(
        "MUSTERD_AGENTS", (), "TOML files and import paths, separated by commas"
    )
    capacity: int = _count("MUSTERD_CAPACITY", 1000, 1_000_000)
    heartbeat_ttl: float = _seconds("MUSTERD_HEARTBEAT_TTL", 15, 1)
    kill_grace: float = _seconds("MUSTERD_KILL_GRACE", 10, 0)
    drain_timeout: float = _seconds("MUSTERD_DRAIN_TIMEOUT", 30, 0)
    event_log_length: int = _count("MUSTERD_EVENT_LOG_LENGTH", 100_000, 1_000_000_000)
    retention: float = _seconds("MUSTERD_RETENTION", 86_400, 1)
    retention_count: int = _count("MUSTERD_RETENTION_COUNT", 100_000, 1_000_000_000)
    output_lines: int = _setting(
        "MUSTERD_OUTPUT_LINES", 100, f"a whole number from 0 to {MOST_LINES}", ge=0, le=MOST_LINES
    )
    max_messages: int = _count("MUSTERD_MAX_MESSAGES", 100, 1000)
    max_kinds: int = _count("MUSTERD_MAX_KINDS", 1000, MOST_KINDS)
    max_context: int = _size("MUSTERD_MAX_CONTEXT", jsons.MAX_BYTES)
    max_metadata: int = _size("MUSTERD_MAX_METADATA", jsons.MAX_BYTES)
    max_checkpoint: int = _size("MUSTERD_MAX_CHECKPOINT", jsons.MAX_BYTES)
    max_result: int = _size("MUSTERD_MAX_RESULT", jsons.MAX_BYTES)
    max_error: int = _size("MUSTERD_MAX_ERROR", 4096)
    max_command: int = _size("MUSTERD_MAX_COMMAND", jsons.MAX_BYTES)
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "MUSTERD_LOG_LEVEL", "info", "debug, info, warning or error"
    )
    log_format: Literal["auto", "json", "console"] = _setting(
        "MUSTERD_LOG_FORMAT", "auto", "auto, json or console"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _is_text(cls, value: object, field: ValidationInfo) -> object:
        """Refuse what no system call or server takes: a zero byte, and bytes that are no UTF-8."""
        if isinstance(value, str):
            if "\0" in value:
                raise ValueError("zero byte")
            if field.field_name not in _PATHS:
                value.encode()
        return value

    @property
    def heartbeat_interval(self) -> float:
        """How often heartbeats are renewed, s."""
        return self.heartbeat_ttl / 3

    @property
    def server_chosen(self) -> bool:
        """Whether anyone said where the server is."""
        return not self.model_fields_set.isdisjoint({"url", "host", "port"})

    @property
    def server_url(self) -> str:
        """The server as redis-py's `from_url` takes it. May hold a password: never show it."""
        password = self.password.get_secret_value() if self.password else None
        if self.url is not None:
            # As a setting it belongs to host and port, which the URL outdoes.
            kept = None if "password" in self.model_fields_set else password
            return urls.complete(self.url.get_secret_value(), self.db, self.username, kept)
        return urls.build(self.host, self.port, self.db, self.username, password)

    @property
    def server_name(self) -> str:
        """The server for people and logs: no user, no password."""
        return urls.public(self.server_url)


def load(**overrides: Any) -> Settings:
    """Read the settings from the environment, from a file, and from `overrides`, which win.

    The file is `.env`, if it is there, or the one that MUSTERD_ENV_FILE names.

    Args:
        **overrides: by field name, from the command line; None counts as not given.

    Raises:
        SettingError: for the first setting that cannot be used.
    """
    given = {
        _environment_name(field): value for field, value in overrides.items() if value is not None
    }
    named = os.environ.get("MUSTERD_ENV_FILE", "")
    if named and not os.path.isfile(named):  # noqa: PTH113 - a Path raises what may not be looked at
        raise SettingError("MUSTERD_ENV_FILE", named, _ENV_FILE)
    try:
        return Settings(_env_file=named or ".env", **given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = str(first["loc"][0])
        raise SettingError(name, _shown(name, first["input"]), _accepted(name)) from None
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "not UTF-8"
        raise SettingError(
            named or ".env", problem, _ENV_FILE.removeprefix("the path of ")
        ) from None


def _environment_name(field: str) -> str:
    return str(Settings.model_fields[field].validation_alias)


def _accepted(name: str) -> str:
    fields = Settings.model_fields.values()
    return next(str(field.description) for field in fields if field.validation_alias == name)


def _shown(name: str, value: object) -> str:
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    # Any setting may hold a whole URL by mistake.
    shown = "***" if name == "VALKEY_PASSWORD" else urls.redact(text)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def differing(one: Settings, other: Settings) -> set[str]:
    """The fields in which two differ."""
    return {name for name in Settings.model_fields if getattr(one, name) != getattr(other, name)}
