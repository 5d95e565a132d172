"""Troubles that last are told once."""

from collections.abc import Mapping, Sequence
from typing import Any

from structlog.testing import capture_logs

from musterd.errors import BrokenRecordError
from musterd.troubles import Troubles


def levels(lines: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What was told, and how loudly."""
    return [(line["log_level"], line["event"]) for line in lines]


def test_told_when_it_begins_and_when_it_is_over() -> None:
    """However often it is met in between."""
    troubles = Troubles()
    with capture_logs() as lines:
        troubles.over("claim")
        for _ in range(3):
            troubles.met("nothing claimed", "claim", ValueError("no"))
        troubles.over("claim")
        troubles.over("claim")
        troubles.met("nothing claimed", "claim", ValueError("no"))
    first, again = ("warning", "nothing claimed"), ("debug", "nothing claimed")
    assert levels(lines) == [first, again, again, ("info", "trouble over"), first]


def test_one_key_is_one_trouble_for_all_duties() -> None:
    """What each says of it differs; it is over when the last one is done."""
    troubles = Troubles()
    with capture_logs() as lines:
        for duty in ("a", "b"):
            troubles.met("not renewed", duty, BrokenRecordError(duty, "p:kinds holds a list"))
        troubles.over("a")
        troubles.over("b")
    assert levels(lines) == [
        ("warning", "not renewed"), ("debug", "not renewed"), ("info", "trouble over"),
    ]  # fmt: skip
    assert lines[-1]["cause"] == "p:kinds"


def test_another_trouble_is_told() -> None:
    """Of another duty, and of the same one."""
    troubles = Troubles()
    with capture_logs() as lines:
        troubles.met("not renewed", "a", BrokenRecordError("x", "p:kinds holds a list"))
        troubles.met("not renewed", "b", BrokenRecordError("x", "p:kills holds a list"))
        troubles.met("not renewed", "a", BrokenRecordError("x", "p:kills holds a list"))
        troubles.met("not renewed", "a", BrokenRecordError("x", " WRONGTYPE"))
    assert [line["log_level"] for line in lines] == ["warning", "warning", "debug", "warning"]
