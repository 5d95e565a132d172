"""What the doctor finds out about an ACL user's rights."""

import re
from urllib.parse import quote

import pytest

from musterd import scripts
from musterd.doctor import rights
from musterd.doctor.findings import Report
from musterd.keys import _PARTS, Keys
from tests.doctor.conftest import Examine, one, told
from tests.support.server import Server

PASSWORD = "hunter2"  # noqa: S105 - a secret only for these tests


async def examine_as(
    examined: Examine, server: Server, rules: str, password: str = PASSWORD
) -> Report:
    """Examine as an ACL user with these rules; `P` stands for the prefix `p`."""
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "u", "reset", "on", f">{PASSWORD}", *rules.split())
    url = f"{server.url}?username=u&password={quote(password)}"
    return await examined(url=url, prefix="p")


async def test_enough(examined: Examine, durable: Server) -> None:
    """A user with all commands below the prefix lacks nothing."""
    report = await examine_as(examined, durable, "~p:* &p:* +@all")
    assert report.exit_code == 0
    assert len(told(report, "ok", "rights")) == 2


async def test_missing_command(examined: Examine, durable: Server) -> None:
    """A command that is not granted is named, with every place where it is wanted."""
    report = await examine_as(examined, durable, "~p:* &p:* +@all -hset")
    what = one(report, "problem", "rights")
    assert what.startswith("this user may not HSET on p:task:*, p:agent:*, ")
    assert report.exit_code == 1


async def test_missing_key_pattern(examined: Examine, durable: Server) -> None:
    """A family of keys and a channel that are out of reach are named, and no other."""
    families = (
        "task agent heartbeat node owned epochs output messages queue tasks agents scheduled "
        "sequence kinds nodes"
    )
    allowed = " ".join(f"~p:{family}*" for family in [*families.split(), "events:log"])
    report = await examine_as(examined, durable, f"{allowed} &p:[^w]* +@all")
    assert told(report, "problem", "rights") == ["this user may do nothing with p:kills, p:wake"]


async def test_read_only_keys(examined: Examine, durable: Server) -> None:
    """Rights to read alone: commands that write are refused, and the real write too."""
    report = await examine_as(examined, durable, "%R~p:* &p:* +@all")
    problems = told(report, "problem", "rights")
    assert any(what.startswith("this user may not HSET on") for what in problems)
    assert any(what.startswith("a write is refused") for what in problems)


async def test_no_scripts(examined: Examine, durable: Server) -> None:
    """Without EVAL nothing works, and that is said."""
    report = await examine_as(examined, durable, "~p:* &p:* +@all -eval")
    assert "may run no scripts" in one(report, "problem", "rights")


async def test_no_info(examined: Examine, durable: Server) -> None:
    """Without INFO the daemon does not start; the rest is examined all the same."""
    report = await examine_as(examined, durable, "~p:* &p:* +@all -info")
    assert "may not ask INFO" in one(report, "problem", "server")
    assert len(told(report, "ok", "rights")) == 2


async def test_configuration_that_may_not_be_read(examined: Examine, durable: Server) -> None:
    """Without CONFIG GET the sync of the file is unknown: a note, no guess."""
    report = await examine_as(examined, durable, "~p:* &p:* +@all -config")
    assert "cannot be seen" in one(report, "note", "server")
    assert report.exit_code == 0


async def test_wrong_password(examined: Examine, durable: Server) -> None:
    """A wrong password is exit 2; neither it nor the right one is shown."""
    report = await examine_as(examined, durable, "~p:* &p:* +@all", password="not it")  # noqa: S106 - none
    assert "invalid username-password" in one(report, "problem", "connection")
    assert report.exit_code == 2
    assert "not it" not in str(report)
    assert PASSWORD not in str(report)


async def test_hardly_any_rights(examined: Examine, durable: Server) -> None:
    """A user who may only PING gets findings, and no check breaks."""
    report = await examine_as(examined, durable, "+ping")
    assert report.exit_code == 1
    assert not [what for what in told(report, "warning") if "fault" in what]


def test_every_use_of_the_scripts_is_asked_for() -> None:
    """Each command that a script calls on a key that it names is among those that are checked."""
    places = {name: place for name, place in _PARTS.items() if not name.endswith("_BELL")}
    calls = re.findall(r"redis\.p?call\('([A-Z]+)', *([A-Z_]+)\b", scripts.script().source)
    asked = {
        (command, use.place.removeprefix("p:"))
        for use in rights.uses(Keys("p"), "node", "probe")
        for command in use.commands.split()
    }
    missing = {
        (command, family)
        for command, family in calls
        if family in places
        and not any(c == command and place.startswith(places[family]) for c, place in asked)
    }
    assert len(calls) > 40
    assert missing == set()


@pytest.mark.parametrize(
    "command", ["XADD", "XREAD", "ZADD", "SET", "PUBLISH", "SUBSCRIBE", "TYPE"]
)
async def test_each_way_to_look_up_keys(examined: Examine, durable: Server, command: str) -> None:
    """The server's own judgement is asked for, whatever a command's arguments look like."""
    report = await examine_as(examined, durable, f"~p:* &p:* +@all -{command.lower()}")
    assert any(f"may not {command} on" in what for what in told(report, "problem", "rights"))
