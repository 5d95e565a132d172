"""What all errors share: their root, and how they show what came from outside."""

from typing import ClassVar, Final

SHOWN: Final = 400
"""Characters of a problem, or of a field, that a log line or a reply shows."""


def shorten(text: str) -> str:
    """A text from outside for errors, logs and replies: of a long one how it begins and ends."""
    if len(text) <= SHOWN:
        return text
    return f"{text[: SHOWN // 2]}…{text[-SHOWN // 2 :]}"


class MusterdError(Exception):
    """The root of all of them."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "failed"
