"""The desks of all agents of a daemon: what they tell is written together, a few times a second."""

import math
from typing import Final

import anyio
import anyio.lowlevel

from musterd.desk import Desk
from musterd.mailbox import Mailbox
from musterd.moves import Claim, Look, Note
from musterd.notes import Notes
from musterd.settings import Settings

GATHER: Final = 0.1
"""Seconds in which what agents tell gathers."""

FILES_EVERY: Final = 0.25
"""Seconds between two looks at what commands leave in files."""


TURN: Final = 0.005
"""Seconds of looking at a stretch; then others have their turn."""


class Desks:
    """The desks of all agents of a daemon. `run` does the writing and returns when cancelled.

    Args:
        notes: where it is written.
        settings: how much is kept of each.
    """

    def __init__(self, notes: Notes, settings: Settings) -> None:
        self.notes = notes
        self.lines_kept = settings.output_lines
        self.max_checkpoint = settings.max_checkpoint
        self.marked: dict[Desk, None] = {}
        self.writing: dict[Desk, Note] = {}
        self.looks: set[Look] = set()
        self.mailboxes: dict[str, Mailbox] = {}
        self._look_due = 0.0
        self._bell = anyio.Event()
        self._urgent = anyio.Event()

    def open(self, claim: Claim) -> Desk:
        """A desk for an agent."""
        return Desk(self, claim)

    def listen(self, agent_id: str, token: str) -> Mailbox:
        """The mailbox of an agent, which is rung from now on."""
        mailbox = self.mailboxes[agent_id] = Mailbox(self.notes, agent_id, token)
        return mailbox

    def ring(self, agent_id: str) -> None:
        """A message was sent to an agent; no agent of ours is no error."""
        if agent_id in self.mailboxes:
            self.mailboxes[agent_id].ring()

    def ring_all(self) -> None:
        """Messages may have been sent unheard."""
        for mailbox in self.mailboxes.values():
            mailbox.ring()

    def mark(self, desk: Desk) -> None:
        """An agent has something to tell."""
        self.marked[desk] = None
        self.rouse()

    def hurry(self, desk: Desk) -> None:
        """What an agent has to tell is waited for."""
        self.mark(desk)
        self._urgent.set()

    def rouse(self) -> None:
        """There is something to do."""
        self._bell.set()

    async def run(self) -> None:
        """Write what is told until cancelled."""
        while True:
            self._bell, self._urgent = anyio.Event(), anyio.Event()
            await self._look()
            await self._write()
            await self._rest()

    async def _look(self) -> None:
        """Not with each round: this takes long for many agents, or where files are large."""
        began = anyio.current_time()
        if began < self._look_due:
            return
        self._look_due = began + FILES_EVERY
        for look in list(self.looks):
            if look in self.looks:  # its agent may have ended meanwhile
                look()
            if anyio.current_time() > began + TURN:
                await anyio.lowlevel.checkpoint()
                began = anyio.current_time()

    async def _write(self) -> None:
        now = anyio.current_time()
        marked, self.marked = self.marked, {}
        for desk in marked:
            note = desk.take(now)
            if note is not None:
                self.writing[desk] = note
            if desk.holds_more():
                self.marked[desk] = None
        if self.writing:
            problems = await self.notes.write(list(self.writing.values()))
            written, self.writing = self.writing, {}
            for desk, of_desk in zip(written, problems, strict=True):
                desk.settle(of_desk)

    async def _rest(self) -> None:
        if not self.marked:
            with anyio.move_on_after(FILES_EVERY if self.looks else math.inf):
                await self._bell.wait()
        with anyio.move_on_after(GATHER):
            await self._urgent.wait()
