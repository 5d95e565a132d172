"""Every key as the contract names it, and the same in Lua."""

import re

from redis.asyncio import Redis

from musterd import keys
from musterd.keys import Keys

K = Keys("{p}")
CONTRACT = {
    "{p}:task:t": K.task("t"),
    "{p}:agent:t.1": K.agent("t.1"),
    "{p}:queue:k": K.queue("k"),
    "{p}:scheduled": K.scheduled,
    "{p}:sequence": K.sequence,
    "{p}:kinds": K.kinds,
    "{p}:tasks:pending": K.tasks("pending"),
    "{p}:agents:running": K.agents("running"),
    "{p}:heartbeat:t.1": K.heartbeat("t.1"),
    "{p}:node:n1": K.node("n1"),
    "{p}:owned:n1": K.owned("n1"),
    "{p}:kills": K.kills,
    "{p}:events": K.events,
    "{p}:events:log": K.events_log,
    "{p}:control": K.control,
    "{p}:submit": K.submit,
    "{p}:reply:": K.reply,
    "{p}:wake": K.wake,
}


def test_names_are_those_of_the_contract() -> None:
    """Written out again here."""
    assert {name: name for name in CONTRACT} == CONTRACT
    own = (K.nodes, K.kill_bell("n1"), K.mail_bell("n1"), K.epochs("n1"))
    assert own == ("{p}:nodes", "{p}:kills:n1", "{p}:mail:n1", "{p}:epochs:n1")
    assert (K.output("t.1"), K.messages("t.1")) == ("{p}:output:t.1", "{p}:messages:t.1")


async def test_lua_has_the_same_names(redis: Redis) -> None:
    """Each constant of the scripts is what Python makes of the same prefix."""
    source = keys.lua(" ".join(keys._PARTS))
    names = re.findall(r"^local ([A-Z_]+) =", source, re.MULTILINE)
    script = f"local P = ARGV[1]\n{source}return {{{','.join(names)}}}"
    found = set(await redis.eval(script, 0, "{p}"))
    wanted = {K.task(""), K.agent(""), K.queue(""), K.tasks(""), K.agents(""), K.heartbeat("")}
    wanted |= {
        K.node(""),
        K.epochs(""),
        K.owned(""),
        K.output(""),
        K.messages(""),
        K.kill_bell(""),
        K.mail_bell(""),
        K.scheduled,
        K.sequence,
        K.kinds,
        K.kills,
    }
    assert found == wanted | {K.nodes, K.events, K.events_log, K.wake}
