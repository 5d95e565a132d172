"""The coding agent, with its stand-in for a CLI."""

import subprocess
from pathlib import Path

import pytest

from musterd import procfs
from musterd.client import Client
from musterd.errors import RejectedContextError
from musterd.jsons import Json
from musterd.records import AgentRecord, TaskRecord
from tests.examples.conftest import EXAMPLES, StartExample
from tests.support.daemon import Daemon
from tests.support.tools import require
from tests.support.wait import wait_until

STAND_IN = str(EXAMPLES / "coding-agent/stand-in.sh")
LONG = "100000"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit on `main`."""
    require("git")
    folder = tmp_path / "site"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "Somebody")
    git(folder, "config", "user.email", "somebody@example.com")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=Begin")
    return folder


def git(repository: Path, *arguments: str) -> str:
    """What git prints."""
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def worktrees(repository: Path) -> list[Path]:
    """The worktrees that git knows, but for the repository itself, and those that are there."""
    known = [line.split()[0] for line in git(repository, "worktree", "list").splitlines()[1:]]
    return sorted({Path(path) for path in known} | set(Path(f"{repository}.worktrees").glob("*")))


def processes(agent_id: str) -> list[int]:
    """What runs of an agent."""
    mark = f"MUSTERD_AGENT_ID={agent_id}".encode()
    return [pid for pid in procfs.pids() if mark in procfs.environment(pid)]


async def start(start_example: StartExample, steps: str = "2") -> Daemon:
    """A daemon whose coding CLI takes so many steps of 0.1 s."""
    return await start_example("coding-agent", "agents.toml", AGENT_CLI=STAND_IN, STEPS=steps)


async def submit(client: Client, repository: Path, branch: str) -> str:
    """Submit a task for a branch; its id."""
    context: Json = {
        "repository": str(repository),
        "branch": branch,
        "prompt": f"Write {branch}\nnow",
    }
    return await client.submit("code", context)


async def until_working(client: Client, agent_id: str) -> None:
    """Return when its CLI has begun, and a retry could resume the session."""

    async def works() -> bool:
        task = await client.get(agent_id.rpartition(".")[0])
        assert isinstance(task, TaskRecord)
        if task.agent_id != agent_id or task.checkpoint is None:
            return False
        agent = await client.get(agent_id)
        assert isinstance(agent, AgentRecord)
        return agent.status == "running" and agent.note == "working, 1 files changed"

    await wait_until(works, 20, f"{agent_id} works")


async def test_each_task_works_on_its_own_branch(
    start_example: StartExample, client: Client, repository: Path
) -> None:
    """Two at once: each leaves its work on its branch, says so in its result, and no worktree."""
    await start(start_example)
    tasks = {branch: await submit(client, repository, branch) for branch in ("one", "fix/two")}
    for branch, task_id in tasks.items():
        task = await client.wait_for(task_id, 30)
        assert task.result == {
            "branch": branch,
            "commit": git(repository, "rev-parse", branch),
            "diffstat": "1 file changed, 2 insertions(+)",
        }, task
        assert git(repository, "log", "--format=%s", f"main..{branch}") == f"Write {branch}"
    assert worktrees(repository) == []


async def test_kill_leaves_no_process_and_no_worktree(
    start_example: StartExample, client: Client, repository: Path
) -> None:
    """A kill ends the CLI as well, and what it had done by then is on the branch."""
    await start(start_example, LONG)
    agent_id = f"{await submit(client, repository, 'one')}.1"
    await until_working(client, agent_id)
    assert len(worktrees(repository)) == 1
    assert len(processes(agent_id)) > 1
    await client.kill(agent_id, wait=True)
    assert (await client.get(agent_id)).status == "killed"
    assert processes(agent_id) == []
    assert worktrees(repository) == []
    assert git(repository, "log", "-1", "--format=%s", "one") == f"Interrupted: {agent_id}"
    assert git(repository, "show", "one:NOTES.md") == "--session-id: Write one\nnow"


async def test_session_is_resumed_after_the_daemon_was_killed(
    start_example: StartExample, client: Client, repository: Path
) -> None:
    """The second attempt has the branch as the first one left it, and goes on in its session."""
    daemon = await start(start_example, LONG)
    task_id = await submit(client, repository, "one")
    await until_working(client, f"{task_id}.1")
    task = await client.get(task_id)
    assert isinstance(task, TaskRecord)
    session = task.checkpoint
    daemon.kill9()
    daemon.start()
    await daemon.wait_ready()
    await until_working(client, f"{task_id}.2")
    assert processes(f"{task_id}.1") == []
    assert any(line.get("line") == f"{session}: step 1" for line in second_attempt(daemon))
    await client.kill(task_id, wait=True)
    assert worktrees(repository) == []
    notes = git(repository, "show", "one:NOTES.md").splitlines()
    assert notes == [
        "--session-id: Write one",
        "now",
        "--resume: You were interrupted. Go on with your task.",
    ]


def second_attempt(daemon: Daemon) -> list[dict[str, str]]:
    """The log lines of second attempts."""
    return [line for line in daemon.log() if str(line.get("agent_id", "")).endswith(".2")]


async def test_message_is_a_further_turn(
    start_example: StartExample, client: Client, repository: Path
) -> None:
    """What is sent to the agent while it works reaches the CLI when its turn is over."""
    await start(start_example)
    task_id = await submit(client, repository, "one")

    async def is_sent() -> bool:
        if (await client.get(task_id)).status != "executing":
            return False
        await client.send(f"{task_id}.1", 'Say "why", too')
        return True

    await wait_until(is_sent, 20)
    assert (await client.wait_for(task_id, 30)).status == "completed"
    notes = git(repository, "show", "one:NOTES.md").splitlines()
    assert notes[-1] == '--resume: Say "why", too'


@pytest.mark.parametrize(
    ("context", "field"),
    [
        ({"branch": "one", "prompt": "p"}, "context.repository"),
        ({"repository": "site", "branch": "one", "prompt": "p"}, "context.repository"),
        ({"repository": "/site", "branch": "one", "prompt": "p", "bas": "x"}, "context.bas"),
        ("text", "context"),
    ],
)
async def test_context_that_will_not_do(
    start_example: StartExample, client: Client, context: Json, field: str
) -> None:
    """It is refused before anything is made; the error names the field."""
    await start(start_example)
    with pytest.raises(RejectedContextError) as caught:
        await client.submit("code", context)
    assert caught.value.field == field


async def test_base_that_git_does_not_know(
    start_example: StartExample, client: Client, repository: Path
) -> None:
    """The error is git's; nothing was made."""
    await start(start_example)
    context: Json = {
        "repository": str(repository),
        "branch": "one",
        "prompt": "p",
        "base": "nowhere",
    }
    task = await client.wait_for(await client.submit("code", context, max_attempts=1), 20)
    assert isinstance(task, TaskRecord)
    assert task.error is not None
    assert task.error.startswith("exit code 65: the context will not do: fatal: ")
    assert "one" not in git(repository, "branch")
