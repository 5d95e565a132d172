"""What the doctor finds about a real server."""

import pytest

from musterd.doctor import facts
from musterd.doctor.facts import Facts
from tests.doctor.conftest import DURABLE, Examine, advised, one, told
from tests.support.fixtures import StartServer
from tests.support.server import Server, _free_port
from tests.support.wait import wait_until


def in_cluster_mode() -> dict[str, str]:
    """A node without slots, its bus on a port of its own."""
    return DURABLE | {"cluster-enabled": "yes", "cluster-port": str(_free_port())}


async def test_healthy_server(examined: Examine, durable: Server) -> None:
    """A durable server with room: no warning, no problem, exit 0."""
    report = await examined(durable)
    assert told(report, "problem") + told(report, "warning") == []
    assert report.exit_code == 0
    assert "Valkey" in told(report, "ok", "server")[0]


async def test_examination_leaves_nothing(examined: Examine, durable: Server) -> None:
    """After an examination the server holds the keys that it held before: none."""
    await examined(durable)
    with durable.client() as client:
        assert client.dbsize() == 0


@pytest.mark.parametrize(
    ("config", "level", "says"),
    [
        ({"appendonly": "no", "save": ""}, "problem", "neither append-only file nor snapshots"),
        ({"appendonly": "no", "save": "3600 1"}, "problem", "snapshots only (3600 1)"),
        ({"appendfsync": "everysec"}, "warning", "that second is lost"),
        ({"appendfsync": "no"}, "problem", "never synced"),
        ({"maxmemory-policy": "allkeys-lru"}, "problem", "maxmemory-policy is allkeys-lru: at its"),
        (
            {"maxmemory-policy": "volatile-ttl", "maxmemory": "0"},
            "problem",
            "maxmemory-policy is volatile-ttl: as soon as",
        ),
        ({"maxclients": "200"}, "warning", "clients of at most 200"),
        ({"maxmemory": "0"}, "note", "no limit of its own"),
    ],
)
async def test_configuration(
    examined: Examine, own_server: StartServer, config: dict[str, str], level: str, says: str
) -> None:
    """Each setting of the server that loses work, or may, is the one finding."""
    report = await examined(own_server(config=DURABLE | config))
    assert says in one(report, level, "server")
    assert all(advised(report))
    assert report.exit_code == (level == "problem")


async def test_full_server(examined: Examine, durable: Server) -> None:
    """A server at its limit: the memory is a warning, the write that it refuses a problem."""
    with durable.client() as client:
        client.config_set("maxmemory", "1mb")
    report = await examined(durable)
    assert "used of 1 MiB" in one(report, "warning", "server")
    assert "a write is refused" in one(report, "problem", "rights")


async def test_replica(examined: Examine, durable: Server, own_server: StartServer) -> None:
    """A replica is told from a primary, and a primary says that it has followers."""
    primary = own_server(tcp=True, config=DURABLE)
    with durable.client() as client, primary.client() as followed:
        client.execute_command("REPLICAOF", "127.0.0.1", primary.port)
        await wait_until(lambda: followed.info("replication")["connected_slaves"] == 1)
    report = await examined(durable)
    assert told(report, "problem", "server") == ["it is a replica and takes no writes"]
    assert "a write is refused" in one(report, "problem", "rights")
    assert "1 replicas" in one(await examined(primary), "note", "server")


async def test_cluster(examined: Examine, own_server: StartServer) -> None:
    """In cluster mode a prefix without a hash tag is a problem; with one all is well."""
    server = own_server(config=in_cluster_mode())
    with server.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        await wait_until(lambda: "state:ok" in str(client.execute_command("CLUSTER", "INFO")))
    report = await examined(server)
    assert "holds no hash tag" in one(report, "problem", "server")
    assert (await examined(server, prefix="{o}")).exit_code == 0


async def test_cluster_that_is_down(examined: Examine, own_server: StartServer) -> None:
    """A cluster whose slots nobody serves: each check says so, none breaks."""
    server = own_server(config=in_cluster_mode())
    report = await examined(server, prefix="{o}")
    assert any("Hash slot not served" in what for what in told(report, "problem", "state"))
    assert told(report, "ok", "traffic")
    assert report.exit_code == 1


@pytest.mark.parametrize(
    ("info", "level", "says"),
    [
        ({"valkey_version": "7.0.1"}, "warning", "Valkey 7.0.1 is older than 7.2"),
        ({"redis_version": "6.2.0"}, "warning", "Redis 6.2.0 is older than 7.0"),
        ({"redis_version": "7.4.0"}, "note", "Redis 7.4.0; musterd is tested with Valkey"),
        ({"valkey_version": "10.0.0"}, "ok", "Valkey 10.0.0"),
    ],
)
def test_versions(info: dict[str, str], level: str, says: str) -> None:
    """Servers that are too old, or another product, are told."""
    (finding,) = facts.version(Facts(info, {}, "p"))
    assert (finding.level, finding.what) == (level, says)


@pytest.mark.parametrize(
    ("info", "level"),
    [
        ({"aof_last_write_status": "err"}, "problem"),
        ({"rdb_last_bgsave_status": "err"}, "warning"),
        ({"aof_last_bgrewrite_status": "err"}, "warning"),
    ],
)
def test_failed_writes_to_disk(info: dict[str, str], level: str) -> None:
    """What the server could not write is told, though its settings are right."""
    first, second = facts.persistence(
        Facts({"aof_enabled": 1} | info, {"appendfsync": "always"}, "p")
    )
    assert (first.level, second.level) == ("ok", level)


def test_evicted_keys() -> None:
    """Keys that were thrown away are told, also after the policy was set right."""
    found = list(facts.memory(Facts({"evicted_keys": 3, "maxmemory": 100}, {}, "p")))
    assert [finding.level for finding in found] == ["ok", "warning", "ok"]
    assert found[1].what.startswith("3 keys were thrown away")
