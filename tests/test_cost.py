"""What a lifecycle costs, counted and not timed: it may become less, but not more unnoticed.

docs/performance.md has what it takes in microseconds.
"""

from redis.asyncio import Redis

from musterd.client import Client
from musterd.submission import Submission
from tests.support.cost import Cost
from tests.support.fixtures import LoadSettings, StartDaemon, StartServer
from tests.support.wait import wait_until
from tests.support.world import KIND, World

MANY = 100
TASKS = 2_000


async def test_commands_of_a_lifecycle(own_server: StartServer, prefix: str) -> None:
    """A hundred tasks, one call for each of their steps."""
    server = own_server()
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        world = World(redis, prefix)
        await world.register()
        names = [f"t{number}" for number in range(MANY)]
        costs = {}
        with server.client() as asking:

            async def count(what: str, *steps: tuple[str | int, ...]) -> list[list[str]]:
                before = Cost.so_far(asking)
                replies = await world.steps(*steps)
                costs[what] = Cost.so_far(asking).since(before).inside / MANY
                assert all(reply[0] == "ok" for reply in replies)
                return replies

            await count("submit", *(("submit", name, KIND, "", 0, 0, "", "", "") for name in names))
            agents = (await count("claim", ("claim", 1, "s", MANY, KIND, MANY, 1, "")))[0][3]
            await count("start", *(("start", agent[0], agent[1]) for agent in agents))
            endings = (
                ("finish", agent[0], agent[1], "completed", "", "", "", 0) for agent in agents
            )
            await count("finish", *endings)
    most = {"submit": 4, "claim": 9, "start": 2, "finish": 9}
    assert {what for what, cost in costs.items() if cost > most[what]} == set(), costs


async def test_calls_under_load(
    own_server: StartServer, start_daemon: StartDaemon, settings: LoadSettings
) -> None:
    """A real daemon, a hundred agents at once: many tasks share each round trip."""
    server = own_server()
    async with Client(settings(url=server.url)) as client:
        await client.submit_many([Submission(kind="echo") for _ in range(TASKS)])
        with server.client() as asking:
            before = Cost.so_far(asking)
            await start_daemon(
                server=server,
                MUSTERD_AGENTS="tests.agents.examples",
                MUSTERD_CAPACITY="100",
            )
            completed = client.keys.tasks("completed")
            await wait_until(lambda: asking.zcard(completed) == TASKS, 50)
            cost = Cost.so_far(asking).since(before)
    assert cost.wire / TASKS < 0.2, cost
    assert cost.inside / TASKS < 24, cost
