"""Where each setting comes from, and what is wrong with how it is written down.

It asks the sources that `Settings` itself reads; no password leaves it.
"""

import difflib
import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from musterd import urls
from musterd.doctor.findings import Area, Finding
from musterd.settings import Settings

_URL: Final = "VALKEY_URL"
_OURS: Final = "MUSTERD_"
_AGENT: Final = "MUSTERD_OWNER"
"""Is there where an agent runs, and with it others that are no settings."""

_SECRET: Final = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|CREDENTIAL")


class Origin(NamedTuple):
    """A setting for people: its value without secrets, and `source`, where it comes from."""

    name: str
    value: str
    source: str


class Origins:
    """The environment and the settings' file (`.env`), as they are now.

    Args:
        settings: what was read from them.
        options: the fields that the command line gave.
    """

    def __init__(self, settings: Settings, options: Collection[str] = ()) -> None:
        self._settings = settings
        self._options = options
        self._environment: Mapping[str, str | None] = EnvSettingsSource(Settings).env_vars
        self._path = settings.env_file
        source = DotEnvSettingsSource(Settings, env_file=self._path)
        self._file: Mapping[str, str | None] = source.env_vars

    def settings(self) -> list[Origin]:
        """Every setting."""
        return [
            Origin(name, _shown(name, getattr(self._settings, field)), self._source(field, name))
            for field, name in _names().items()
        ]

    def check(self) -> Iterator[Finding]:
        """What is written down in vain, or where others can read it."""
        yield from self._misspelt()
        yield from self._outdone()
        yield from self._readable()

    def _source(self, field: str, name: str) -> str:
        if field in self._options:
            return "option"
        if name in self._environment:
            return "environment"
        return str(self._path) if name in self._file else "default"

    def _misspelt(self) -> Iterator[Finding]:
        names = list(_names().values())
        places = {str(self._path): self._file}
        if _AGENT not in self._environment:
            places["the environment"] = self._environment
        for place, found in places.items():
            for name in sorted(found.keys() - set(names)):
                near = difflib.get_close_matches(name, names, 1, 0.8)
                # Names that only begin with VALKEY_ may be another program's.
                if name.startswith(_OURS) or (near and name.startswith("VALKEY_")):
                    do = f"did you mean {near[0]}?" if near else "remove it, or see .env.example"
                    yield Area.SETTINGS.warning(f"{name} in {place} is no setting", do)

    def _outdone(self) -> Iterator[Finding]:
        given = {name for field, name in _names().items() if self._source(field, name) != "default"}
        if self._settings.embedded:
            idle, winner = given & {_URL, "VALKEY_HOST", "VALKEY_PORT"}, "MUSTERD_EMBEDDED"
        elif self._settings.url is not None:
            idle, winner = given & {"VALKEY_HOST", "VALKEY_PORT", "VALKEY_PASSWORD"}, _URL
        else:
            return
        for name in sorted(idle):
            yield Area.SETTINGS.note(f"{name} is not used: {winner} wins", "remove one of them")

    def _readable(self) -> Iterator[Finding]:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return
        secrets = sorted(name for name, value in self._file.items() if _is_secret(name, value))
        path, mode = self._path.absolute(), stat.S_IMODE(found.st_mode)
        # Root's file is read by us, its group: that much is meant.
        strangers = 0o044 if found.st_uid == os.geteuid() else 0o004
        if mode & 0o022:
            yield Area.SETTINGS.warning(f"others can change {path} ({mode:o})", f"chmod 600 {path}")
        elif secrets and mode & strangers:
            what = f"others can read {path} ({mode:o}), and it holds {', '.join(secrets)}"
            yield Area.SETTINGS.warning(what, f"chmod 600 {path}")
        elif secrets:
            yield Area.SETTINGS.ok(f"only its owner can read {path}, which holds secrets")


def _names() -> dict[str, str]:
    return {name: str(field.validation_alias) for name, field in Settings.model_fields.items()}


def _is_secret(name: str, value: str | None) -> bool:
    if not value:
        return False
    return bool(_SECRET.search(name)) or (name == _URL and urls.redact(value) != value)


def _shown(name: str, value: object) -> str:
    if isinstance(value, SecretStr):
        return urls.redact(value.get_secret_value()) if name == _URL else "***"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str("" if value is None else value)
