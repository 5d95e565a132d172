"""Many agents at once: nothing lost, nothing twice, and nothing left over."""

from typing import Any

from musterd.submission import Submission
from tests.service.scene import Scene
from tests.support.wait import wait_until

KEPT: dict[str, Any] = {"MUSTERD_EVENT_LOG_LENGTH": "1000000"}


async def check_all_completed(scene: Scene, count: int) -> None:
    """All tasks complete, and the state is as empty as before."""
    completed = scene.keys.tasks("completed")

    async def done() -> bool:
        return bool(await scene.redis.zcard(completed) == count)

    await wait_until(done, 50, f"{count} tasks are completed")
    await scene.quiet()


async def test_ten_thousand_functions_pass_through_one_daemon(scene: Scene) -> None:
    """10,000 tasks that do nothing, each exactly once."""
    await scene.daemon(**KEPT)
    answers = await scene.client.submit_many([Submission(kind="echo") for _ in range(10_000)])
    assert answers == [True] * 10_000
    await check_all_completed(scene, 10_000)


async def test_a_thousand_commands_share_two_daemons(scene: Scene) -> None:
    """1,000 processes on two daemons; both take their part."""
    daemons = [await scene.daemon(MUSTERD_CAPACITY="50", **KEPT) for _ in range(2)]
    await scene.client.submit_many([Submission(kind="greet") for _ in range(1_000)])
    await check_all_completed(scene, 1_000)
    agents = await scene.client.agents("completed", 1_000)
    assert {agent.node for agent in agents} == {daemon.node for daemon in daemons}
