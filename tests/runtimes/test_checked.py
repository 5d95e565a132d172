"""A runtime that rejects contexts before anything is started."""

from pathlib import Path

import pytest

from musterd.runtimes.base import AgentFailed, ContextRejected
from musterd.runtimes.checked import CheckedRuntime
from musterd.runtimes.process import ProcessRuntime
from musterd.schemas import JsonSchema
from tests.support.contexts import make_context, run_for_value


def make_runtime(document: dict[str, object], folder: Path) -> CheckedRuntime:
    """Notes that it was started, and hands back its context."""
    command = ["sh", "-c", f"touch {folder}/started; cat > $MUSTERD_RESULT"]
    return CheckedRuntime(ProcessRuntime(command, folder), JsonSchema("check", document))


async def test_what_meets_the_schema_runs(tmp_path: Path) -> None:
    """And is given its context as it came."""
    runtime = make_runtime({"type": "array"}, tmp_path)
    assert await run_for_value(runtime, make_context(context=[1, None])) == [1, None]


async def test_what_does_not_is_rejected(tmp_path: Path) -> None:
    """The sentence names the field, and no process was started."""
    runtime = make_runtime({"items": {"type": "string"}}, tmp_path)
    with pytest.raises(ContextRejected, match=r"^context\[1\]: give string, not 5$"):
        await runtime.run(make_context(context=["a", 5]))
    assert not (tmp_path / "started").exists()


async def test_a_schema_that_cannot_be_applied_fails_the_agent(tmp_path: Path) -> None:
    """It is no fault of the context, and none of the daemon's."""
    runtime = make_runtime({"$ref": "#"}, tmp_path)
    with pytest.raises(AgentFailed, match="its schema cannot be applied: RecursionError"):
        await runtime.run(make_context(context=1))
