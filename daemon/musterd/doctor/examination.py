"""One examination: every check, in the order in which what they need becomes known."""

from collections.abc import AsyncIterator, Callable, Collection
from functools import partial
from typing import Any, Final, TypeAlias

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from musterd import valkey
from musterd.doctor import daemons, facts, machine, offers, rights, state, traffic
from musterd.doctor.facts import Facts
from musterd.doctor.findings import Area, Finding, Report, ask, look
from musterd.doctor.origins import Origins
from musterd.doctor.subject import Subject
from musterd.errors import MusterdError
from musterd.settings import Settings

Check: TypeAlias = Callable[[Subject], AsyncIterator[Finding]]

CONNECTIONS: Final = 4
"""A subscription, what it waits for, and room."""

_LOCAL: Final = (
    (Area.MACHINE, machine.CHECKS),
    (Area.KINDS, offers.CHECKS),
)
_REMOTE: Final[tuple[tuple[Area, tuple[Check, ...]], ...]] = (
    (Area.RIGHTS, rights.CHECKS),
    (Area.TRAFFIC, traffic.CHECKS),
    (Area.STATE, state.CHECKS),
    (Area.DAEMONS, daemons.CHECKS),
)


async def examine(settings: Settings, options: Collection[str] = ()) -> Report:
    """Run every check that can be run.

    Args:
        settings: of this process.
        options: fields of the settings that the command line gave.
    """
    origins = Origins(settings, options)
    found = look(Area.SETTINGS, "the settings", origins.check)
    for area, checks in _LOCAL:
        for check in checks:
            found += look(area, _name(check), partial(check, settings))
    server, refusal = "", None
    try:
        url, server = valkey.locate(settings)
        async with valkey.connect(url, connections=CONNECTIONS) as redis:
            found += await _examine_server(Subject(settings, redis), server)
    except MusterdError as error:
        refusal = error
        found.append(Area.CONNECTION.problem(str(error), "the rest can be said once it is mended"))
    return Report(server, origins.settings(), found, refusal)


async def _examine_server(subject: Subject, server: str) -> list[Finding]:
    """Raises the MusterdError that says why there is no connection."""
    try:
        await subject.redis.ping()
    except NoPermissionError:
        pass  # it knows us; what else we may not do is told below
    except valkey.FAULTS as error:
        raise valkey.explain(error, server) from error
    found = [Area.CONNECTION.ok(f"connected to {server}")]
    found += await ask(Area.SERVER, "what the server says of itself", partial(_facts, subject))
    for area, checks in _REMOTE:
        for check in checks:
            found += await ask(area, _name(check), partial(check, subject))
    return found


async def _facts(subject: Subject) -> AsyncIterator[Finding]:
    try:
        info = await subject.redis.info()
    except NoPermissionError as error:
        do = "grant +info: the daemon does not start without"
        yield Area.SERVER.problem(f"this user may not ask INFO: {error}", do)
        return
    known = Facts(info, await _config(subject.redis), subject.settings.prefix)
    for check in facts.CHECKS:
        for finding in look(Area.SERVER, _name(check), partial(check, known)):
            yield finding


async def _config(redis: Redis) -> dict[str, str]:
    """Empty where it may not be read, or is renamed, as with hosted servers."""
    try:
        found: Any = await redis.config_get(*facts.CONFIG)
    except ResponseError:
        return {}
    return dict(found)


def _name(check: Callable[..., object]) -> str:
    return check.__name__.replace("_", " ")
