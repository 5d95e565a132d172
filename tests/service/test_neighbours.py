"""Daemons that share a machine, and even a name, but not their keys."""

from contextlib import closing

from musterd import procfs
from tests.service.scene import Scene
from tests.support.daemon import Daemon
from tests.support.wait import wait_until


async def test_same_name_below_another_prefix_is_somebody_else(scene: Scene) -> None:
    """A daemon that starts ends nothing of one that only has its name."""
    daemon = await scene.daemon()
    await scene.start("family", str(scene.folder))
    child = await wait_until(lambda: scene.pid("child"), 5, "the child runs")
    with closing(Daemon(scene.server.url, f"{scene.keys.prefix}x", node=daemon.node)) as other:
        other.start()
        await other.wait_ready()
        assert procfs.stat(child)
        assert not [line for line in other.log() if line.get("processes")]
        other.sigterm()
        assert await other.wait_exit() == 0
        assert procfs.stat(child)
        await scene.quiet()
