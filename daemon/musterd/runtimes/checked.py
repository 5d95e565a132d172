"""A runtime in front of which each context is held to a JSON Schema."""

from musterd.errors import RejectedContextError
from musterd.runtimes.base import AgentFailed, Context, ContextRejected, Runtime
from musterd.schemas import JsonSchema, aside


class CheckedRuntime:
    """Runs `runtime` for the contexts that meet `schema`, and rejects all others."""

    def __init__(self, runtime: Runtime, schema: JsonSchema) -> None:
        self._runtime = runtime
        self._schema = schema

    async def run(self, context: Context) -> str | None:
        """See `Runtime.run`."""
        try:
            await aside(self._schema.check, context.context)
        except RejectedContextError as error:
            raise ContextRejected(f"{error.field}: {error.problem}") from None
        except Exception as error:
            name = type(error).__name__
            raise AgentFailed(f"its schema cannot be applied: {name}: {error}") from error
        return await self._runtime.run(context)
