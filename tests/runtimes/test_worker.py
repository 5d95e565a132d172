"""Agents that are plain functions."""

import os
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from musterd import procfs
from musterd.errors import NotFoundError
from musterd.functions import agent
from musterd.kinds import load_kinds
from musterd.moves import Answer
from musterd.runtimes.base import AgentFailed, Context, ContextRejected
from tests.support.contexts import PaperDesk, make_context, run_for_value
from tests.support.pace import within
from tests.support.wait import wait_until


@agent("tell")
def tell(ctx: Context) -> Any:
    """Return all that it was told."""
    return [ctx.task_id, ctx.agent_id, ctx.attempt, ctx.kind, ctx.context, ctx.owner]


@agent("log")
def log(ctx: Context) -> None:
    """Print, and log."""
    print("printed")  # noqa: T201, that is what is tested
    ctx.log.info("half way", done=3)


@agent("fail")
def fail(_: Context) -> None:
    """Raise what Python raises."""
    raise ValueError("no such thing")


@agent("reject")
def reject(ctx: Context) -> None:
    """Refuse the context."""
    raise ContextRejected(f"{ctx.context} is no list")


@agent("give-set")
def give_set(_: Context) -> Any:
    """Return what is no JSON."""
    return {1}


@agent("leave")
def leave(_: Context) -> None:
    """Exit, as programs do."""
    raise SystemExit(9)


@agent("wait")
def wait(ctx: Context) -> None:
    """Say who it is, and never end."""
    Path(ctx.context).write_text(f"{os.getpid()}\n")
    while True:
        os.sched_yield()


@agent("tidy")
def tidy(ctx: Context) -> None:
    """Say where it is when it is asked to stop, though it waits for a checkpoint just then."""

    def stop(*_: object) -> None:
        ctx.progress(0.5, "tidied up")
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    ctx.checkpoint("never kept")


class Page(BaseModel):
    """What `visit` asks for."""

    url: str


@agent("visit")
def visit(ctx: Context[Page]) -> Any:
    """Tell what it was given."""
    return [type(ctx.context).__name__, ctx.context.url]


@agent("report")
def report(ctx: Context) -> Any:
    """Tell twice before anybody looks; keep null, and a value."""
    ctx.progress(0.5)
    ctx.progress(note="1 file\nleft")
    ctx.checkpoint(None)
    ctx.checkpoint({"page": "é"})
    return ctx.restored


@agent("listen")
def listen(ctx: Context) -> Any:
    """Take two messages."""
    messages = iter(ctx.messages)
    return [next(messages), next(messages)]


async def run(kind: str, folder: Path, **fields: Any) -> Any:
    """Run a function of this file in a worker."""
    source = "tests.runtimes.test_worker"
    runtime = load_kinds([f"{source}:{kind.replace('-', '_')}"], folder)[kind].runtime
    return await run_for_value(runtime, make_context(kind=kind, **fields))


async def test_a_function_is_given_its_context(tmp_path: Path) -> None:
    """It is told what a coroutine is told, and its result comes back."""
    context = {"größe": [1, None]}
    told = await run("tell", tmp_path, context=context, attempt=2, agent_id="t1.2")
    assert told == ["t1", "t1.2", 2, "tell", context, "n1/e1"]


async def test_what_it_logs_is_logged(tmp_path: Path) -> None:
    """Prints and log lines come out as lines of the agent."""
    with capture_logs() as lines:
        await run("log", tmp_path)
    assert [line["line"] for line in lines] == ["printed", 'level=info event="half way" done=3']


async def test_an_exception_is_the_error(tmp_path: Path) -> None:
    """The error ends with the exception and begins, after the exit code, with where it was."""
    with pytest.raises(AgentFailed) as caught:
        await run("fail", tmp_path)
    first, second, third, *_, last = str(caught.value).splitlines()
    assert first == "exit code 1: Traceback (most recent call last):"
    assert second.endswith("in fail")
    assert "raise ValueError" in third
    assert last == "ValueError: no such thing"


async def test_a_context_can_be_rejected(tmp_path: Path) -> None:
    """That it was rejected, and why, crosses over from the worker."""
    with pytest.raises(ContextRejected, match=r"^5 is no list$"):
        await run("reject", tmp_path, context=5)


async def test_a_context_is_what_the_signature_asks_for(tmp_path: Path) -> None:
    """The model is made in the worker, which also rejects, with the field, what is none."""
    assert await run("visit", tmp_path, context={"url": "a"}) == ["Page", "a"]
    with pytest.raises(ContextRejected, match=r"^context\.url: Input should be a valid string$"):
        await run("visit", tmp_path, context={"url": 5})


async def test_a_result_that_is_no_json_fails(tmp_path: Path) -> None:
    """The error is the same as for a coroutine."""
    with pytest.raises(AgentFailed, match=r"^exit code 1: its result is a set, not a JSON value"):
        await run("give-set", tmp_path)


async def test_an_exit_code_is_kept(tmp_path: Path) -> None:
    """A function may end its process."""
    with pytest.raises(AgentFailed, match=r"^exit code 9$"):
        await run("leave", tmp_path)


async def test_a_function_can_be_killed(tmp_path: Path) -> None:
    """Python code that awaits nothing is ended too."""
    told = tmp_path / "pid"
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: run("wait", tmp_path, context=str(told)))
        await wait_until(lambda: told.exists() and told.read_text().endswith("\n"))
        group.cancel_scope.cancel()
    assert procfs.stat(int(told.read_text())) is None


async def looked_at(kind: str, folder: Path, desk: PaperDesk, **fields: Any) -> Any:
    """Run a function, and look at what it leaves now and then, as a daemon does."""
    answer: Any = None

    async def watch() -> None:
        while True:
            await anyio.sleep(0.01)
            desk.look()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        with anyio.fail_after(within(20)):
            answer = await run(kind, folder, desk=desk, **fields)
        group.cancel_scope.cancel()
    return answer


async def test_what_it_tells_arrives(tmp_path: Path) -> None:
    """Progress that was replaced before it was read is not lost; each checkpoint is answered."""
    desk = PaperDesk()
    assert await looked_at("report", tmp_path, desk, restored={"page": 7}) == {"page": 7}
    assert desk.told[-1] == (0.5, "1 file left")
    assert desk.checkpoints == [None, {"page": "é"}]


class RefusingDesk(PaperDesk):
    """Keeps no checkpoint."""

    def checkpoint_soon(self, value: str, answer: Answer) -> None:
        """Refuse it."""
        del value
        answer(NotFoundError("t1"))


async def test_checkpoint_that_is_not_kept_is_raised(tmp_path: Path) -> None:
    """It does not wait for ever: the reason is the agent's error."""
    with pytest.raises(ExceptionGroup) as caught:
        await looked_at("report", tmp_path, RefusingDesk())
    (error,) = caught.value.exceptions
    assert isinstance(error, AgentFailed)
    assert str(NotFoundError("t1")) in str(error)


async def test_signal_handler_may_tell_while_a_checkpoint_waits(tmp_path: Path) -> None:
    """It runs in the thread whose turn it is: it must not wait for that turn's end."""
    desk, scratch = PaperDesk(), tmp_path / "scratch"
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: run("tidy", scratch, desk=desk, grace=10.0))
        await wait_until(lambda: bool(list(scratch.rglob("checkpoint-*"))), 20)
        group.cancel_scope.cancel()
    assert desk.told == [(0.5, "tidied up")]


async def test_messages_are_a_plain_loop(tmp_path: Path) -> None:
    """In their order, whatever JSON they are."""
    messages: list[Any] = ["é\n", {"a": None}]
    assert await run("listen", tmp_path, desk=PaperDesk(*messages)) == messages
