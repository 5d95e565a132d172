"""`musterd ps` and `musterd show`."""

import pytest
from anyio import to_thread

from musterd.keys import Keys
from musterd.moves import Ending, Progress
from musterd.states import Reason
from tests.cli.conftest import NODE, Cli, Hand, Program, as_client, as_daemon
from tests.support.server import Server

pytestmark = pytest.mark.leaves_work("what is shown")


@pytest.fixture
def state(cli: Cli) -> Cli:
    """The command line, with a task in each state that lasts: waiting, running, ended."""
    ending = {
        "done": Ending("completed", result='{"lines": 3}'),
        "bad": Ending("failed", Reason.ERROR, "exit code 3: \x1b[31mno\nreally not"),
    }
    for task_id in ("done", "bad", "runs", "waits"):
        cli("submit", f"k-{task_id}", "--id", task_id, "--context", '{"path": "/srv"}')

    async def work(hand: Hand) -> None:
        for task_id, how in ending.items():
            await hand.end(await hand.run(f"k-{task_id}"), how)
        await hand.run("k-runs", max_attempts=2)

    as_daemon(work)
    return cli


def cells(outcome_out: str) -> list[list[str]]:
    """The table in a pipe: the first five columns of each row."""
    return [line.split()[:5] for line in outcome_out.splitlines()]


def test_live_ones_by_default(state: Cli) -> None:
    """What waits and what runs, an agent below its task; columns a program can split."""
    outcome = state("ps")
    assert (outcome.code, outcome.err) == (0, "")
    assert cells(outcome.out) == [
        ["ID", "KIND", "STATUS", "TRY", "NODE"],
        ["waits", "k-waits", "pending", "0", "-"],
        ["runs", "k-runs", "executing", "1/2", "-"],
        ["runs.1", "k-runs", "running", "1", NODE],
    ]


def test_how_far_it_is(cli: Cli, program: Program) -> None:
    """Of an agent that tells it, while its daemon lives."""
    assert cli("submit", "k", "--id", "t").code == 0

    async def run(hand: Hand) -> str:
        await hand.tell(await hand.run("k"), progress=Progress(0.4, "cloned"))
        out, _ = await to_thread.run_sync(program("ps").communicate)
        return str(out)

    assert "40 % cloned" in as_daemon(run)


def test_how_far_it_was_is_no_cause(cli: Cli) -> None:
    """Of an agent that has ended, the last that it told of its progress is not shown."""
    assert cli("submit", "k", "--id", "t").code == 0

    async def work(hand: Hand) -> None:
        claim = await hand.run("k")
        await hand.tell(claim, progress=Progress(0.4, "cloned"))
        await hand.end(claim, Ending("completed"))

    as_daemon(work)
    outcome = cli("ps", "--all")
    assert "t.1" in outcome.out
    assert "cloned" not in outcome.out


def test_ended_ones_with_the_cause(state: Cli) -> None:
    """`--status` shows one state; an error is on one line and carries no escape sequence."""
    outcome = state("ps", "--status", "failed")
    assert cells(outcome.out)[1:] == [
        ["bad", "k-bad", "failed", "1/1", "-"],
        ["bad.1", "k-bad", "failed", "1", NODE],
    ]
    assert outcome.out.count("error: exit code 3: … really not") == 2
    assert "\x1b" not in outcome.out


def test_all(state: Cli) -> None:
    """`--all` shows what lives and what has ended."""
    ids = [row[0] for row in cells(state("ps", "--all").out)[1:]]
    assert ids == ["waits", "runs", "runs.1", "done", "done.1", "bad", "bad.1"]


def test_json(state: Cli) -> None:
    """`--json` is one document with the records as the contract names their fields."""
    document = state("ps", "--json").document
    assert {task["taskId"] for task in document["tasks"]} == {"waits", "runs"}
    (agent,) = document["agents"]
    assert (agent["agentId"], agent["status"], agent["node"]) == ("runs.1", "running", NODE)
    assert document["nodes"] == []  # the hand has let go of its name


def test_what_was_cut_is_told(state: Cli) -> None:
    """That there is more is one line beside the table, and a field of the document."""
    state("submit", "k-waits", "--id", "newer")
    outcome = state("ps", "--limit", "1")
    assert outcome.code == 0
    assert outcome.err == (
        "musterd: there are more: of each state the last 1 are shown; see --limit\n"
    )
    assert [row[0] for row in cells(outcome.out)[1:]] == ["newer", "runs", "runs.1"]
    assert state("ps", "--limit", "1", "--json").document["cut"] is True
    outcome = state("ps", "--limit", "2", "--json")
    assert (outcome.err, "cut" in outcome.document) == ("", False)


def test_filters_combine(state: Cli) -> None:
    """By kind, by daemon and by state; a task is of the daemon that had its last attempt."""

    def shown(*options: str) -> list[str]:
        outcome = state("ps", *options)
        assert (outcome.code, outcome.err) == (0, "")
        return [row[0] for row in cells(outcome.out)[1:]]

    assert shown("--kind", "k-waits") == ["waits"]
    assert shown("--kind", "k-bad") == []
    assert shown("--kind", "k-bad", "--all") == ["bad", "bad.1"]
    assert shown("--node", NODE) == ["runs", "runs.1"]
    assert shown("--node", NODE, "--status", "completed") == ["done", "done.1"]
    assert shown("--node", NODE, "--all", "--kind", "k-done") == ["done", "done.1"]
    assert shown("--node", "elsewhere", "--all") == []


def test_filters_find_the_one_among_ten_thousand(cli: Cli, server: Server, prefix: str) -> None:
    """However much has changed since, and where thousands did so at the same time."""
    keys = Keys(prefix)
    with server.client() as redis, redis.pipeline(transaction=False) as pipe:
        for number in range(10_000):
            one = {0: ("rare", "old", 1), 5_000: ("rare", NODE, 2)}
            kind, node, at = one.get(number, ("check", "other", 3 + number // 3_000))
            task = {"taskId": f"t{number}", "status": "completed", "kind": kind}
            pipe.hset(keys.task(f"t{number}"), mapping=task | {"agentId": f"t{number}.1"})
            pipe.zadd(keys.tasks("completed"), {f"t{number}": at})
            pipe.zadd(keys.agents("completed"), {f"t{number}.1": at})
            if number % 1_000 == 0:  # the others have expired
                agent = {"agentId": f"t{number}.1", "taskId": f"t{number}", "status": "completed"}
                pipe.hset(keys.agent(f"t{number}.1"), mapping=agent | {"kind": kind, "node": node})
        pipe.execute()
    one = cli("ps", "--all", "--kind", "rare", "--node", "old", "--json").document
    assert [task["taskId"] for task in one["tasks"]] == ["t0"]
    assert [agent["agentId"] for agent in one["agents"]] == ["t0.1"]
    both = cli("ps", "--status", "completed", "--kind", "rare", "--json").document
    assert [task["taskId"] for task in both["tasks"]] == ["t5000", "t0"]
    every = as_client(lambda client: client.tasks("completed", 20_000, kind="check"))
    assert len(every) == len({task.task_id for task in every}) == 9_998
    with server.client() as redis:
        redis.flushall()


def test_what_holds_them_up(state: Cli) -> None:
    """A pending task says what it waits for, a live agent that its daemon is gone."""
    state("submit", "k-later", "--id", "later", "--delay", "7200")
    notes = state("ps", "--json").document["notes"]
    assert notes["later"].startswith("due in 1h59m; ")
    assert notes.keys() == {"waits", "later", "runs.1"}
    lines = {line.split()[0]: line for line in state("ps").out.splitlines()}
    assert lines["waits"].endswith("  no daemon is running")
    assert lines["runs.1"].endswith("  its daemon is gone")
    assert lines["runs"].endswith(" -")


def test_show_what_holds_it_up(state: Cli) -> None:
    """`show` has the same notes, also those of a task's attempts; where there is none, no field."""
    assert "note          no daemon is running\n" in state("show", "waits").out
    assert "note          its daemon is gone\n" in state("show", "runs.1").out
    assert state("show", "runs").out.splitlines()[-1].endswith("  its daemon is gone")
    assert state("show", "runs", "--json").document["notes"] == {"runs.1": "its daemon is gone"}
    assert "notes" not in state("show", "done", "--json").document


def test_unknown_status_is_exit_2(state: Cli) -> None:
    """A state that does not exist is refused, and those that do are named."""
    outcome = state("ps", "--status", "sleeping")
    assert (outcome.code, outcome.out) == (2, "")
    assert "'pending'" in outcome.err


def test_show_a_task(state: Cli) -> None:
    """A task is shown with the contract's names, and its attempts below."""
    outcome = state("show", "done")
    assert outcome.code == 0
    rows = (line.split(maxsplit=1) for line in outcome.out.splitlines())
    fields = dict(row for row in rows if len(row) == 2)
    assert (fields["taskId"], fields["status"], fields["kind"]) == ("done", "completed", "k-done")
    assert '"lines": 3' in outcome.out
    assert fields["done.1"].split()[:2] == ["completed", NODE]


def test_show_an_error_in_full(state: Cli) -> None:
    """The whole error is shown, line by line, without its escape sequences."""
    out = state("show", "bad.1").out
    assert "exit code 3:  [31mno\n" in out
    assert "really not\n" in out


def test_show_json(state: Cli) -> None:
    """`--json` is the record; a task's attempts are in it."""
    document = state("show", "done", "--json").document
    assert (document["taskId"], document["result"]) == ("done", {"lines": 3})
    assert [agent["agentId"] for agent in document["agents"]] == ["done.1"]
    assert "agents" not in state("show", "done.1", "--json").document


def test_show_not_found_is_exit_3(state: Cli) -> None:
    """No such record: exit 3, for a task and for an agent."""
    assert state("show", "nothing").code == 3
    assert state("show", "done.7").code == 3
