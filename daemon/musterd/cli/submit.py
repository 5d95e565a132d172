"""`musterd submit`: a task for whichever daemon offers its kind."""

import os
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from musterd import ids, jsons
from musterd.cli import completers
from musterd.cli.call import call
from musterd.cli.command import EXITS, ManualCommand, json_option, read_json
from musterd.cli.options import check_wait, wait_timeout_option
from musterd.cli.output import print_json
from musterd.cli.standing import look_around
from musterd.display import lines, why
from musterd.errors import MalformedError, MusterdError, TooLargeError, UnreachableError
from musterd.jsons import Json
from musterd.records import TaskRecord
from musterd.states import TaskState

if TYPE_CHECKING:
    from musterd.client import Client


@click.command(
    cls=ManualCommand,
    arguments={"KIND": "What shall run: a kind that some daemon offers."},
    exits=EXITS
    | {
        0: "submitted; with --wait, completed",
        1: "with --wait, failed or not ended in time; or ID is a different task's",
        2: f"{EXITS[2]}; or no daemon has offered KIND, or KIND does not accept the context",
    },
    examples="""
        musterd submit check --context '{"path": "/srv/data"}'
        musterd submit review --context-file request.json --priority 2 --wait
        echo '{"path": "/srv"}' | musterd submit check --context-file -
        musterd submit backup --id backup-11-22    the same id again is the same task
        task=$(musterd submit check) && musterd show "$task"
    """,
)
@click.argument("kind", shell_complete=completers.kinds)
@click.option(
    "--context",
    metavar="JSON",
    callback=read_json,
    show_default="null",
    help="What the agent is given.",
)
@click.option(
    "--context-file",
    type=click.File("rb"),
    metavar="FILE",
    show_default="none",
    help="The same from a file, or - for standard input.",
)
@click.option("--id", "task_id", metavar="ID", show_default="a random one", help="The task's id.")
@click.option("--priority", type=int, default=0, metavar="N", help="0 to 9, 0 first.")
@click.option("--delay", type=float, default=0.0, metavar="S", help="Seconds before it may start.")
@click.option(
    "--timeout",
    type=float,
    metavar="S",
    show_default="the kind's",
    help="Seconds that an attempt may take.",
)
@click.option(
    "--max-attempts",
    type=int,
    metavar="N",
    show_default="the kind's",
    help="How often it is tried in all.",
)
@click.option(
    "--metadata",
    metavar="JSON",
    callback=read_json,
    show_default="none",
    help="Kept with the task, and not read by musterd.",
)
@click.option("--wait", is_flag=True, help="Return when it has ended.")
@wait_timeout_option
@json_option('{"taskId": …}; with --wait, the task\'s whole record once it has ended')
def submit(
    *,
    kind: str,
    context: Json,
    context_file: BinaryIO | None,
    wait: bool,
    wait_timeout: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Submit a task of a KIND, and print its id.

    The id is the first line. With --wait a second line follows when the task has completed with a
    result: that result, as JSON. If it failed, its error is told in
    full on standard error.
    """
    if context is not None and context_file is not None:
        raise click.UsageError("give --context or --context-file, not both")
    check_wait(wait_timeout, wait=wait)
    if context_file is not None:
        context = _read(context_file)

    async def work(client: "Client") -> None:
        task_id = await _submit(client, kind, context, **options)
        if not (wait and as_json):
            _print_id(task_id, as_json=as_json)
        if wait:
            _report(await _ended(client, task_id, wait_timeout), as_json=as_json)

    call(work)


def _read(file: BinaryIO) -> Json:
    data = file.read(jsons.MAX_BYTES + 1)
    if len(data) > jsons.MAX_BYTES:
        size = file.seek(0, os.SEEK_END) if file.seekable() else None
        too_large = TooLargeError("context", size or None, jsons.MAX_BYTES)  # a device has none
        raise MalformedError(f"--context-file {file.name}: {too_large}")
    try:
        context: Json = jsons.loads(data)
    except jsons.JsonError as error:
        raise MalformedError(f"--context-file {file.name}: {error}") from None
    return context


async def _submit(client: "Client", kind: str, context: Json, **options: Any) -> str:
    # Chosen here, so that it can be told when no answer came.
    task_id = options.pop("task_id") or ids.new_task_id()
    try:
        return await client.submit(kind, context, task_id=task_id, **options)
    except UnreachableError as error:
        advice = (
            f"{task_id} may have been submitted all the same, and with --id {task_id} it is safe "
            "to submit it again"
        )
        raise UnreachableError(error.where, error.problem, advice) from error


def _print_id(task_id: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"taskId": task_id})
    else:
        click.echo(task_id)


async def _ended(client: "Client", task_id: str, limit: float | None) -> TaskRecord:
    try:
        record = await client.wait_for(task_id, limit)
    except TimeoutError:
        raise MusterdError(f"{task_id}: {await _late(client, task_id, limit)}") from None
    assert isinstance(record, TaskRecord)  # noqa: S101 - the id is a task's
    return record


async def _late(client: "Client", task_id: str, limit: float | None) -> str:
    task = await client.get(task_id)
    if task.status != TaskState.PENDING:
        return f"has not ended after {limit:g} s; it goes on"
    note = (await look_around(client, [task])).note(task)
    return f"has not started after {limit:g} s; {note or 'it waits for its turn'}"


def _report(task: TaskRecord, *, as_json: bool) -> None:
    """Print what became of it. Raises where it did not complete."""
    if as_json:
        print_json(task.as_json())
    elif task.result is not None:
        print_json(task.result)
    if task.status != TaskState.COMPLETED:
        told = lines(task.error or "")
        if len(told) > 1:  # the sentence below has room for its ends alone
            click.echo("\n".join(told), err=True)
        raise MusterdError(f"{task.task_id}: failed ({why(task.reason, task.error)})")
