"""The colours of the screen. Those of states are `display.STYLES`, in this palette's shades."""

from typing import Final

from rich.terminal_theme import TerminalTheme
from textual.theme import Theme

from musterd.display import STYLES

QUIET: Final = "#7d8794"
"""For what is not data: titles, units, rules."""

LOUD: Final = "bold #f0f3f6"
"""For numbers."""

STREAMS: Final = {"stdout": "", "stderr": "yellow", "log": "cyan"}
"""The style of a line of output, by what it was written to."""

STOPPING: Final = "stopping"
"""Shown instead of the status of an agent whose kill is under way."""

THEME: Final = Theme(
    name="musterd",
    primary="#6cb6ff",
    secondary="#39c5cf",
    warning="#d4a72c",
    error="#f47067",
    success="#6bc46d",
    accent="#6cb6ff",
    foreground="#cdd5df",
    background="#12161c",
    surface="#171c23",
    panel="#1e252e",
    variables={
        "footer-background": "#12161c",
        "footer-key-foreground": "#6cb6ff",
        "footer-description-foreground": QUIET,
        "block-cursor-text-style": "none",
        "scrollbar": "#2f3945",
        "scrollbar-hover": "#3f4b59",
        "scrollbar-active": "#56657a",
        "scrollbar-background": "#12161c",
        "scrollbar-background-hover": "#12161c",
        "scrollbar-background-active": "#12161c",
    },
)

ANSI: Final = TerminalTheme(
    (18, 22, 28),
    (205, 213, 223),
    [
        (18, 22, 28),
        (244, 112, 103),
        (107, 196, 109),
        (212, 167, 44),
        (108, 182, 255),
        (198, 148, 255),
        (57, 197, 207),
        (205, 213, 223),
    ],
)


def state_style(status: str) -> str:
    """The style of a status; plain for what is none."""
    return STYLES["killed"] if status == STOPPING else STYLES.get(status, "")
