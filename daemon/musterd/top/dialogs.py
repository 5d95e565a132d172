"""What asks or explains in front of everything else: the question before a kill, and the help."""

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from musterd.display import one_line
from musterd.top.palette import LOUD, QUIET

_KEYS: Final[Sequence[tuple[str, str]]] = (
    ("↑ ↓ PgUp PgDn Home End", "move"),
    ("Enter", "an agent's record, events and output"),
    ("k", "kill the agent, after a question"),
    ("e", "live agents, or those that have ended"),
    ("/", "words in id, kind, node, state or cause"),
    ("Esc", "clear the filter, go back"),
    ("s", "sort: age, agent, kind, node or attempt"),
    ("r", "the other way round"),
    ("q", "quit"),
)
_NOTES: Final = (
    "AGE counts from when the agent began to run, AGO from when it ended. PROGRESS and LAST LINE "
    "are there if agents tell them. Rates are over ten seconds. Times are the server's, in UTC."
)
_KEY_WIDTH: Final = 24


class KillQuestion(ModalScreen[bool]):
    """Asks whether an agent shall be killed.

    Args:
        agent_id: of the agent.
        told: what else is known of it, for people.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]

    def __init__(self, agent_id: str, told: str) -> None:
        super().__init__()
        self.agent_id = agent_id
        self._told = told

    def compose(self) -> ComposeResult:
        """The question, what follows from it, and the keys."""
        with Vertical(classes="dialog question"):
            yield Static(Text.assemble("Kill ", (one_line(self.agent_id), LOUD), "?"))
            yield Static(Text(one_line(self._told), QUIET))
            yield Static("\nIt is stopped, by force if need be, and not retried.\n")
            yield Static(_answers(("y", "kill it"), ("n", "let it run")))

    def action_answer(self, answer: bool) -> None:  # noqa: FBT001 - how a binding calls it
        """Close, with the answer."""
        self.dismiss(answer)


class Help(ModalScreen[None]):
    """The keys, and what the numbers mean."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "close", "Back"),
    ]

    def compose(self) -> ComposeResult:
        """A line a key."""
        with Vertical(classes="dialog help"):
            yield Static(Text("musterd top\n", "bold"))
            for keys, effect in _KEYS:
                yield Static(Text.assemble((keys.ljust(_KEY_WIDTH), "blue"), effect))
            yield Static(Text(f"\n{_NOTES}", QUIET))

    def action_close(self) -> None:
        """Go back."""
        self.dismiss()


def _answers(*answers: tuple[str, str]) -> Text:
    parts = [Text.assemble((f" {key} ", "reverse"), f" {effect}") for key, effect in answers]
    return Text("    ").join(parts)
