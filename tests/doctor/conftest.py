"""Examinations: of a server that a test brings, or of this machine alone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from musterd.doctor.examination import examine
from musterd.doctor.findings import Report
from musterd.settings import load
from tests.support.fixtures import StartServer
from tests.support.server import Server

DURABLE = {"appendonly": "yes", "appendfsync": "always", "maxmemory": "1gb"}
"""A server with which nothing is wrong."""


class Examine(Protocol):
    """What `examined` is."""

    async def __call__(self, server: Server | None = None, **overrides: Any) -> Report:
        """Examine with settings for this server; `overrides` by field name."""


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def examined(prefix: str, tmp_path: Path) -> Examine:
    """Examine, with a state folder of the test's own."""

    async def run(server: Server | None = None, **overrides: Any) -> Report:
        url = "redis://127.0.0.1:1" if server is None else server.url
        defaults = {"url": url, "prefix": prefix, "state_dir": tmp_path / "state"}
        report = await examine(load(**defaults | overrides))
        json.dumps(report.as_json())  # any report can be printed
        return report

    return run


@pytest.fixture
def durable(own_server: StartServer) -> Server:
    """A server with which nothing is wrong, and which the test may spoil."""
    return own_server(config=DURABLE)


def told(report: Report, level: str, area: str = "") -> list[str]:
    """What was found of a level, and in an area if one is given."""
    return [
        finding.what
        for finding in report.findings
        if finding.level == level and area in {"", finding.area}
    ]


def one(report: Report, level: str, area: str) -> str:
    """The one finding of a level in an area; each that is not ok says what to do."""
    (what,) = told(report, level, area)
    return what


def advised(report: Report) -> Iterator[str]:
    """What to do about each finding that is worse than a note."""
    yield from (found.do for found in report.findings if found.level in {"warning", "problem"})
