"""The program on the terminal: hands what the feed saw to the screen, and kills when told to."""

from typing import ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static

from musterd.display import one_line
from musterd.errors import MusterdError
from musterd.states import AGENT_LIVE
from musterd.top.details import AgentScreen
from musterd.top.dialogs import KillQuestion
from musterd.top.feed import Feed, Outage, Snapshot
from musterd.top.main_screen import MainScreen
from musterd.top.palette import ANSI, THEME

_TOLD: Final = 4.0
"""Seconds for which it is shown what came of a kill."""


class TopApp(App[None]):
    """The whole of it.

    Args:
        feed: what is seen, and what kills.
        no_color: without any colour.
    """

    CSS_PATH = "top.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def __init__(self, feed: Feed, *, no_color: bool = False) -> None:
        # Textual strips colours only where they are the terminal's own; else it makes them grey.
        super().__init__(ansi_color=True if no_color else None)
        self.title = "musterd top"
        self.ansi_theme_dark = ANSI
        self.register_theme(THEME)
        self.theme = THEME.name
        self.main = MainScreen(feed)
        self._feed = feed

    def get_default_screen(self) -> Screen[None]:
        """The main screen."""
        return self.main

    def on_mount(self) -> None:
        """Look, for as long as the program runs."""
        self.run_worker(self._feed.run(self.show))

    def show(self, seen: Snapshot | Outage) -> None:
        """Show what was seen on each screen that is open; of an outage the last that was."""
        if not self.is_running:
            return  # screens are being taken down, part by part
        for screen in self.screen_stack:
            if isinstance(screen, MainScreen | AgentScreen) and screen.is_mounted:
                _tell_problem(screen, seen)
                if isinstance(seen, Snapshot):
                    screen.show(seen)

    @on(MainScreen.Examined)
    def examine(self, message: MainScreen.Examined) -> None:
        """Open an agent's screen; it is read for as long as that is open."""
        self._feed.examine(message.agent_id)
        self.push_screen(AgentScreen(message.agent_id), lambda _: self._feed.examine(""))

    def action_kill(self) -> None:
        """Ask whether the agent that one looks at shall be killed."""
        question = self._question()
        if question is not None:
            self.push_screen(question, lambda yes: self._kill(question.agent_id) if yes else None)

    def _question(self) -> KillQuestion | None:
        if isinstance(self.screen, AgentScreen):
            details = self.screen.details
            if details is None or details.agent.status not in AGENT_LIVE:
                return None
            told = f"{details.agent.kind} on {details.agent.node}, {details.agent.status}"
            return KillQuestion(details.agent.agent_id, told)
        row = self.main.agents.selected
        if row is None or row.status not in AGENT_LIVE:
            return None
        return KillQuestion(row.agent_id, f"{row.kind} on {row.node}, {row.status}")

    def _kill(self, agent_id: str) -> None:
        async def kill() -> None:
            try:
                await self._feed.kill(agent_id)
            except MusterdError as error:
                self._tell(str(error), is_problem=True)
            else:
                self._tell(f"{agent_id} is asked to stop")

        self.run_worker(kill())

    def _tell(self, sentence: str, *, is_problem: bool = False) -> None:
        self.notify(
            one_line(sentence),
            severity="error" if is_problem else "information",
            timeout=_TOLD,
            markup=False,
        )


def _tell_problem(screen: Screen[None], seen: Snapshot | Outage) -> None:
    told = _problem(seen)
    problem = screen.query_one("#problem", Static)
    problem.set_class(bool(told), "open")
    if told:
        problem.update(Text(one_line(told)))


def _problem(seen: Snapshot | Outage) -> str:
    """Why what is shown is not what there is; empty if it is."""
    if isinstance(seen, Outage):
        return f"Not up to date. {seen.problem}"
    if not seen.counts.broken:
        return ""
    keys = ", ".join(seen.counts.broken)
    return f"Not complete: somebody put something else at {keys}; repair or delete it"
