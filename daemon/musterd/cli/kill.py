"""`musterd kill`: stop agents and tasks, durably."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from musterd.cli import completers
from musterd.cli.call import call
from musterd.cli.command import EXITS, ManualCommand, json_option
from musterd.cli.options import check_wait, kind_option, wait_timeout_option
from musterd.cli.output import print_json, warn
from musterd.cli.shortened import with_whole_id
from musterd.errors import MusterdError, NotFoundError

if TYPE_CHECKING:
    from musterd.client import Client
    from musterd.moves import KillOutcome


@dataclass(frozen=True)
class _How:
    reason: str
    grace: float | None
    wait: bool
    wait_timeout: float | None
    as_json: bool


@click.command(
    cls=ManualCommand,
    arguments={"ID": "A task's or an agent's, or as much of it as is unambiguous."},
    exits=EXITS
    | {
        1: "with --wait, not dead in time; it goes on being stopped",
        2: f"{EXITS[2]}; or ID may stand for several",
        3: "there is no such task or agent",
        4: "it had ended before",
    },
    examples="""
        musterd kill 4f0c1b                          a task, whatever it is doing
        musterd kill 4f0c1b.2 --reason "too slow"    an agent, by its own id
        musterd kill t1 t2 t3 --grace 0 --wait       by force, until they are dead
        musterd kill --all --kind check              every task of a kind
    """,
)
@click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=completers.live_ids)
@click.option("--all", "everything", is_flag=True, help="Every task that lives now.")
@kind_option("With --all: only tasks of this kind.")
@click.option(
    "--reason",
    default="",
    metavar="TEXT",
    show_default="none",
    help="Kept on the record, as its error.",
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    metavar="S",
    show_default="MUSTERD_KILL_GRACE",
    help="Seconds between asking and forcing.",
)
@click.option("--wait", is_flag=True, help="Return when they are dead.")
@wait_timeout_option
@json_option("one object an id, or with --all how many")
def kill(*, ids: tuple[str, ...], everything: bool, kind: str, **options: Any) -> int:
    """Stop agents or tasks, and do not retry them.

    The request is written down before this returns, and is carried out even if the daemon is away
    just now. A task that waits ends at once.

    An ID may be shortened while it means one task or agent alone. If it may mean several, nothing
    is killed and they are named. An ID that exists as given is never taken for a part of another,
    and `job-1` never for a part of `job-12`.

    Of several that could not be killed, the first one says the exit code.
    """
    how = _How(**options)
    check_wait(how.wait_timeout, wait=how.wait)
    if bool(ids) == everything:
        raise click.UsageError("give the ids of tasks or agents, or --all")
    if kind and not everything:
        raise click.UsageError("--kind goes with --all")
    if everything:
        return call(lambda client: _kill_all(client, kind, how))
    return call(lambda client: _kill_each(client, ids, how))


async def _kill_each(client: "Client", ids: Sequence[str], how: _How) -> int:
    """Ask for all of them before the first is waited for; the exit code."""
    asked: dict[str, KillOutcome] = {}
    code = 0

    async def ask(record_id: str) -> None:
        asked[record_id] = await client.kill(record_id, reason=how.reason, grace=how.grace)

    for text in dict.fromkeys(ids):
        try:
            await with_whole_id(client, text, ask, strict=True)
        except MusterdError as error:
            warn(str(error))
            code = code or error.exit_code
    with _in_time(how):
        for record_id, outcome in asked.items():
            status = await _wait_for(client, record_id) if how.wait else ""
            _print(record_id, outcome, status, how)
    return code


def _print(record_id: str, outcome: "KillOutcome", status: str, how: _How) -> None:
    if how.as_json:
        told = {"id": record_id, "outcome": outcome.outcome, "status": status, "node": outcome.node}
        print_json({name: value for name, value in told.items() if value})
    elif how.wait:
        click.echo(f"{record_id}: dead")
    elif outcome.outcome == "requested":
        click.echo(f"{record_id}: {outcome.record_id} on {outcome.node} is asked to stop")
    else:
        click.echo(f"{record_id}: dead, it had not started")


async def _kill_all(client: "Client", kind: str, how: _How) -> int:
    outcomes = await client.kill_all(kind, reason=how.reason, grace=how.grace)
    asked = [outcome.record_id for outcome in outcomes if outcome.outcome == "requested"]
    with _in_time(how):
        for agent_id in asked if how.wait else ():
            await _wait_for(client, agent_id)
    if how.as_json:
        print_json({"tasks": len(outcomes)})
    else:
        tasks = "1 task" if len(outcomes) == 1 else f"{len(outcomes)} tasks"
        click.echo(f"{tasks} {'dead' if how.wait else 'asked to stop'}")
    return 0


@contextlib.contextmanager
def _in_time(how: _How) -> Iterator[None]:
    """Wait no longer than the person wants to.

    Raises:
        MusterdError: something is not dead by then.
    """
    import anyio  # noqa: PLC0415 - `--help` does without

    try:
        with anyio.fail_after(how.wait_timeout):
            yield
    except TimeoutError:
        late = f"not all are dead after {how.wait_timeout:g} s; what was asked for is carried out"
        raise MusterdError(late) from None


async def _wait_for(client: "Client", record_id: str) -> str:
    """Wait for the end of what was killed; the status of its record, empty if that is gone."""
    try:
        return (await client.wait_for(record_id)).status
    except NotFoundError:  # trimmed since: only the records of the dead are
        return ""
