"""Whether this user may do what a daemon does, and whether the server takes writes at all.

The server itself is asked what an ACL allows (`redis.acl_check_cmd` in a script): it decides as it
would in earnest, and changes nothing. ACL DRYRUN would need a right that a daemon does not have.
One write is really made: a heartbeat of an agent that does not exist. Nothing lists it, nobody
reads it, it is deleted at once and would expire by itself.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, NamedTuple

from redis.exceptions import NoPermissionError, RedisError

from musterd import jsons
from musterd.doctor.findings import Area, Finding
from musterd.doctor.remedies import remedy, say
from musterd.doctor.subject import Subject
from musterd.keys import Keys
from musterd.states import AgentState, TaskState

RIGHTS = Area.RIGHTS

PROBE_MS: Final = 10_000
"""How long the probe key lives if nobody deletes it."""

_RECORD: Final = "TYPE HGET HMGET HGETALL HSET HDEL PEXPIRE DEL"
_INDEX: Final = "TYPE ZADD ZREM ZCARD ZRANGE ZRANGEBYSCORE"
_LISTED: Final = f"{_INDEX} ZREVRANGE"

_ASK: Final = """
local denied = {}
for i, request in ipairs(ARGV) do
  if not redis.acl_check_cmd(unpack(cjson.decode(request))) then denied[#denied + 1] = i end
end
return denied
"""


class Use(NamedTuple):
    """What a daemon or a client does with one key or channel."""

    place: str
    commands: str


def uses(keys: Keys, node: str, probe: str) -> Iterator[Use]:
    """Everything that is done, by key family and by channel."""
    yield Use(keys.task(probe), _RECORD)
    yield Use(keys.agent(probe), _RECORD)
    yield Use(keys.heartbeat(probe), "EXISTS GET MGET SET PEXPIRE DEL")
    yield Use(keys.node(node), f"{_RECORD} EXISTS")
    yield Use(keys.owned(node), "TYPE SADD SREM SCARD SMEMBERS SRANDMEMBER EXISTS")
    yield Use(keys.epochs(node), "TYPE ZADD ZRANGE ZREMRANGEBYRANK PEXPIRE")
    yield Use(keys.output(probe), "TYPE XADD XREVRANGE XRANGE XREAD PEXPIRE DEL")
    yield Use(keys.messages(probe), "TYPE XADD XLEN XRANGE XTRIM DEL")
    yield Use(keys.queue(probe), _INDEX)
    yield from (Use(keys.tasks(status), _LISTED) for status in TaskState)
    yield from (Use(keys.agents(status), _LISTED) for status in AgentState)
    yield Use(keys.scheduled, _INDEX)
    yield Use(keys.nodes, _LISTED)
    yield Use(keys.sequence, "TYPE GET INCRBY")
    yield Use(keys.kinds, "TYPE HGET HGETALL HLEN HKEYS HEXISTS HSET HDEL")
    yield Use(keys.kills, "TYPE HGET HGETALL HLEN HSET HDEL HEXISTS")
    yield Use(keys.events_log, "TYPE XADD XTRIM XRANGE XREVRANGE XREAD XLEN")
    yield Use(keys.events, "PUBLISH SUBSCRIBE")
    yield Use(keys.wake, "PUBLISH SUBSCRIBE")
    yield Use(keys.control, "PUBLISH SUBSCRIBE")
    yield Use(keys.submit, "SUBSCRIBE")
    yield Use(keys.kill_bell(node), "PUBLISH SUBSCRIBE")
    yield Use(keys.mail_bell(node), "PUBLISH SUBSCRIBE")
    yield Use(keys.reply + probe, "PUBLISH SUBSCRIBE")


async def permissions(subject: Subject) -> AsyncIterator[Finding]:
    """What the ACL refuses: places where nothing is allowed, and commands that are not."""
    wanted = list(uses(subject.keys, subject.settings.node, subject.probe))
    requests = [(use.place, command) for use in wanted for command in use.commands.split()]
    try:
        # No key is named: in a cluster any node can tell.
        arguments = [_request(command, place) for place, command in requests]
        numbers: Any = await subject.redis.eval(_ASK, 0, *arguments)
    except NoPermissionError as error:
        yield RIGHTS.problem(f"this user may run no scripts: {error}", "ACL SETUSER … +@scripting")
        return
    denied = {requests[number - 1] for number in numbers}
    for finding in _refused(wanted, denied, subject):
        yield finding
    if not denied:
        yield RIGHTS.ok(f"{len(requests)} uses of keys and channels are allowed to this user")


def _request(command: str, place: str) -> str:
    # As much of a call as the server needs to find the key or the channel in it.
    words = ("STREAMS", place, "0") if command == "XREAD" else (place,)
    return jsons.dumps([command, *words])


def _refused(
    wanted: list[Use], denied: set[tuple[str, str]], subject: Subject
) -> Iterator[Finding]:
    closed: list[str] = []
    refused: defaultdict[str, list[str]] = defaultdict(list)
    for place, commands in wanted:
        names = [name for name in commands.split() if (place, name) in denied]
        shown = place.replace(subject.probe, "*")
        if len(names) == len(commands.split()):
            closed.append(shown)
        else:
            for name in names:
                refused[name].append(shown)
    prefix = subject.settings.prefix
    if closed:
        what = f"this user may do nothing with {', '.join(closed)}"
        yield RIGHTS.problem(what, f"ACL SETUSER … ~{prefix}:* &{prefix}:*, and the commands")
    for name, places in refused.items():
        what = f"this user may not {name} on {', '.join(places)}"
        yield RIGHTS.problem(what, f"ACL SETUSER … +{name.lower()}")


async def writing(subject: Subject) -> AsyncIterator[Finding]:
    """Whether the server takes a write now: memory, disk, role and cluster all have a say."""
    key = subject.keys.heartbeat(subject.probe)
    try:
        await subject.redis.set(key, subject.probe, px=PROBE_MS)
        there = await subject.redis.exists(key)
        await subject.redis.delete(key)
    except RedisError as error:
        yield RIGHTS.problem(f"a write is refused: {say(error)}", remedy(error))
    else:
        if there:
            yield RIGHTS.ok("a key was written, found and deleted below the prefix")
        else:
            do = "look who deletes keys there, and at maxmemory and its policy"
            yield RIGHTS.problem("a key that was written was not there any more", do)


CHECKS: Final = (permissions, writing)
