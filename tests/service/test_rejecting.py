"""Contexts that a kind does not accept: before a task is made of them, and when it is claimed."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel, Field, field_validator

import musterd
from musterd.errors import RejectedContextError
from musterd.jsons import Json
from musterd.records import TaskRecord
from musterd.runtimes.base import Context
from tests.agents.examples import noted
from tests.service.scene import Scene
from tests.support.daemon import Daemon


class Page(BaseModel):
    """What the agents here ask for."""

    url: str = Field(description="large, so that it is not published" * 2000)

    @field_validator("url")
    @classmethod
    def _exit(cls, url: str) -> str:
        if url == "exit":
            raise SystemExit(3)
        if url == "deep":
            raise RecursionError("too deep")
        return url


@musterd.agent("visit", max_attempts=3, backoff=0.02)
async def visit(ctx: Context[Page]) -> Json:
    """Tell what came."""
    with noted(ctx):
        return ctx.context.url


@musterd.agent("drive", max_attempts=3)
def drive(ctx: Context[Page]) -> Json:
    """Tell what came, from a process."""
    with noted(ctx):
        return ctx.context.url


SCHEMA = {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}}
AGENTS = Path(__file__).parents[1] / "agents"
FILE = """
[agents.fetch]
command = ["bash", "body.sh", "greet"]
working_directory = "{folder}"
max_attempts = 3
schema = "page.json"
"""


async def start(scene: Scene) -> Daemon:
    """A daemon that offers the kinds above."""
    (scene.folder / "page.json").write_text(json.dumps(SCHEMA))
    (scene.folder / "agents.toml").write_text(FILE.format(folder=AGENTS))
    sources = f"tests.service.test_rejecting,{scene.folder / 'agents.toml'}"
    return await scene.daemon(MUSTERD_AGENTS=sources)


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("visit", "context.url: Input should be a valid string"),
        ("drive", "context.url: Input should be a valid string"),
        ("fetch", "context.url: give string, not 5"),
    ],
)
async def test_a_claimed_task_is_rejected(scene: Scene, kind: str, problem: str) -> None:
    """One that was made before the schema was known fails, with the field, and is not retried."""
    await scene.submit(kind, {"url": 5}, task_id="bad")
    await scene.submit(kind, {"url": "a"}, task_id="good")
    await start(scene)
    task = await scene.ended("bad")
    assert isinstance(task, TaskRecord)
    assert (task.status, task.reason, task.attempt) == ("failed", "rejected", 1)
    assert (await scene.agent("bad.1")).error == problem
    assert (await scene.ended("good")).status == "completed"
    await scene.quiet()


async def test_a_spawn_is_rejected(scene: Scene) -> None:
    """By its reply, like a call of the client; of neither is anything written."""
    daemon = await start(scene)
    spawn = {"command": "spawn", "kind": "fetch", "taskId": "s", "context": {"url": 5}}
    reply = await scene.ask(spawn, channel=scene.keys.submit)
    message = "fetch: context.url: give string, not 5"
    assert reply["error"] == {"code": "rejected", "message": message}
    with pytest.raises(RejectedContextError):
        await scene.submit("fetch", {}, task_id="s")
    assert not await scene.redis.exists(scene.keys.task("s"))
    unpublished = [line for line in daemon.log() if line["event"] == "schema not published"]
    assert {line["kind"] for line in unpublished} == {"visit", "drive"}
    await scene.quiet()


async def test_a_validator_harms_its_agent_alone(scene: Scene) -> None:
    """Whatever it raises; the daemon lives, and others run."""
    daemon = await start(scene)
    for url, error in (("exit", "raised SystemExit: 3"), ("deep", "RecursionError: too deep")):
        await scene.submit("visit", {"url": url}, task_id=url)
        task = await scene.ended(url)
        assert (task.status, task.reason, task.error) == ("failed", "error", error)
    assert (await scene.ended(await scene.submit("visit", {"url": "a"}))).status == "completed"
    assert "Traceback" not in daemon.own_log_text()
    await scene.quiet()
