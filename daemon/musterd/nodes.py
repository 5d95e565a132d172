"""Operations on what daemons say of themselves: their names, their lives, the kinds they offer."""

from collections.abc import Mapping

from musterd import jsons
from musterd.answers import Steps, accept
from musterd.errors import Holder, NameTakenError, TooManyKindsError
from musterd.jsons import Json
from musterd.moves import Life


class Nodes:
    """The operations, each a step that is handed to `steps`."""

    def __init__(self, steps: Steps) -> None:
        self._commit = steps.commit

    async def register(self, node: str, fields: Mapping[str, str | int], dead: str = "") -> int:
        """Take or keep the node's name; how many agents the server lists as the node's.

        Args:
            node: the name.
            fields: of the node's record, beside `node` and `epoch`.
            dead: epoch of a holder that is known to be dead, whose name is taken over.

        Raises:
            NameTakenError: a daemon that is not known to be dead has the name.
        """
        pairs = [part for pair in fields.items() for part in pair]
        reply = await self._commit(("register", dead, *pairs))
        if reply[0] == "taken":
            raise NameTakenError(node, Holder(*reply[1:]))
        return int(accept(node, reply)[2])

    async def lives(self) -> list[Life]:
        """The earlier lives of this node."""
        reply = accept("lives", await self._commit(("lives",)))
        return [Life(*life.split(" ", 1)) for life in reply[1] if " " in life]

    async def release(self) -> None:
        """Give the name back; a no-op if another daemon has it by now."""
        reply = await self._commit(("release",))
        if reply[0] != "not_owner":
            accept("node", reply)

    async def offer(self, kinds: Mapping[str, Mapping[str, Json]], most: int) -> None:
        """Publish the kinds of this daemon: their defaults, and the schemas of their contexts.

        Raises:
            TooManyKindsError: with those of others they would be more than `most`.
        """
        pairs = [part for kind, offer in kinds.items() for part in (kind, _offer_text(offer))]
        reply = await self._commit(("offer", most, *pairs))
        if reply[0] == "full":
            raise TooManyKindsError(int(reply[1]), most)
        accept("kinds", reply)

    async def dead_nodes(self, silence: float) -> list[str]:
        """Nodes that own agents and gave no sign of life for `silence` seconds."""
        return list(accept("nodes", await self._commit(("dead", int(silence * 1000))))[1])


def _offer_text(offer: Mapping[str, Json]) -> str:
    """An offer as JSON, its schema last: submit.lua reads only what stands before it."""
    text = jsons.dumps({name: value for name, value in offer.items() if name != "schema"})
    if "schema" not in offer:
        return text
    rest = f'"schema":{jsons.dumps(offer["schema"])}}}'
    return f"{text[:-1]},{rest}" if text != "{}" else "{" + rest
