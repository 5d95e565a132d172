"""The program as one uses it: keys in, a screen out, on a real server."""

import pytest
from rich.cells import cell_len
from textual.filter import LineFilter
from textual.pilot import Pilot
from textual.widgets import Input

from musterd.client import Client
from musterd.top.app import TopApp
from musterd.top.details import AgentScreen
from musterd.top.dialogs import Help, KillQuestion
from musterd.top.feed import Feed
from musterd.top.main_screen import MainScreen
from tests.support.fixtures import LoadSettings, StartServer
from tests.support.wait import wait_until
from tests.top.conftest import Crowd, screen_of, text_of

pytestmark = pytest.mark.leaves_work("what is shown")

NARROW, WIDE = (80, 24), (200, 50)


async def shown(app: TopApp, *texts: str) -> None:
    """Wait until all of these stand on the screen."""
    await wait_until(lambda: all(text in text_of(app) for text in texts), 8, f"{texts} are shown")


def listed(app: TopApp) -> list[str]:
    """The agents on the screen, from top to bottom."""
    lines = screen_of(app)
    titles = next(n for n, line in enumerate(lines) if "AGENT" in line and "STATE" in line)
    rows = (line.split() for line in lines[titles + 1 : -1])
    return [row[0] for row in rows if row and "." in row[0]]


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_no_agents(app: TopApp, size: tuple[int, int]) -> None:
    """Nothing is there: this is said in words; every key may be pressed all the same."""
    async with app.run_test(size=size) as pilot:
        await shown(app, "No agent is alive.", "none is running", "q Quit")
        await pilot.press("down", "end", "pagedown", "home", "enter", "k", "s", "r", "e")
        await shown(app, "No agent has ended.")


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_twenty(crowd: Crowd, app: TopApp, size: tuple[int, int]) -> None:
    """Agents with kind, state, node and age; counts and daemons; no line is too long."""
    await crowd.run(20)
    async with app.run_test(size=size) as pilot:
        await shown(app, "t00.1", "20 running", "n1 ", "of 20")
        row = next(line.split() for line in screen_of(app) if line.startswith(" t00.1"))
        assert row[:5] == ["t00.1", "check", "running", "1", "n1"]
        assert listed(app)[:3] == ["t00.1", "t01.1", "t02.1"]
        assert ("EVENTS" in text_of(app)) is (size is WIDE)
        assert max(map(cell_len, screen_of(app))) <= size[0]
        await pilot.press("end")
        await shown(app, "t19.1", "to 20 of 20")


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_ten_thousand(crowd: Crowd, app: TopApp, size: tuple[int, int]) -> None:
    """The first, the last and any part of a very long list; it never reads all of it."""
    await crowd.run(10_000)
    async with app.run_test(size=size) as pilot:
        await shown(app, "t0000.1", "10,000 running", "of 10,000")
        await crowd.redis.config_resetstat()
        await pilot.press("end")
        await shown(app, "t9999.1", "to 10,000 of 10,000")
        await pilot.press("pageup", "pageup")
        place = 9999 - 2 * len(listed(app))
        await wait_until(lambda: listed(app)[0] == _selected(app) == f"t{place}.1")
        stats = await crowd.redis.info("commandstats")
        assert stats["cmdstat_hmget"]["calls"] < 1500


async def test_cursor_stays_on_its_agent(crowd: Crowd, app: TopApp) -> None:
    """Agents above it end: the cursor moves with its own agent, and does not point at another."""
    agents = await crowd.run(20)
    async with app.run_test(size=NARROW) as pilot:
        await shown(app, "t00.1")
        await pilot.press("down", "down", "down")
        assert _selected(app) == "t03.1"
        await crowd.finish(*agents[0])
        await crowd.finish(*agents[1])
        await shown(app, "of 18")
        assert _selected(app) == "t03.1"
        await crowd.finish(*agents[3])
        await shown(app, "of 17")
        assert _selected(app) == "t04.1"


async def test_filter(crowd: Crowd, app: TopApp) -> None:
    """What one types is looked for at once; Enter keeps it, Esc lets it go."""
    await crowd.run(5, "check", "c")
    await crowd.run(5, "summarise", "z")
    async with app.run_test(size=NARROW) as pilot:
        await shown(app, "of 10")
        await pilot.press("slash", *"summ", "space", "3")
        await shown(app, "1 to 1 of 1", "z3.1")
        assert listed(app) == ["z3.1"]
        await pilot.press("enter")
        assert not app.screen.query_one("#filter", Input).has_class("open")
        await shown(app, "/summ 3")
        await pilot.press("escape")
        await shown(app, "of 10")


async def test_filter_that_nothing_matches(crowd: Crowd, app: TopApp) -> None:
    """It is said in words; markup that one types is text."""
    await crowd.run(2)
    async with app.run_test(size=NARROW) as pilot:
        await shown(app, "t0.1")
        await pilot.press("slash", "left_square_bracket", *"red", "right_square_bracket")
        await shown(app, "No agent matches.", "/[red]")


async def test_sort(crowd: Crowd, app: TopApp) -> None:
    """Each press sorts by the next column; r turns it round."""
    await crowd.run(2, "zeta", "a")
    await crowd.run(2, "alpha", "z")
    async with app.run_test(size=NARROW) as pilot:
        await shown(app, "AGE▲", "oldest first", "a0.1")
        assert listed(app) == ["a0.1", "a1.1", "z0.1", "z1.1"]
        await pilot.press("r")
        await shown(app, "AGE▼", "newest first")
        assert listed(app)[-1] == "a0.1"
        await pilot.press("s", "s")
        await shown(app, "KIND▲", "by kind")
        assert listed(app) == ["z0.1", "z1.1", "a0.1", "a1.1"]


async def test_ended(crowd: Crowd, app: TopApp) -> None:
    """Those that have ended, with why; what others wrote is text, and does nothing."""
    agents = await crowd.run(2)
    await crowd.finish(*agents[0], "failed", reason="error", error="[bold]no\x1b[2J[/] 字")
    async with app.run_test(size=NARROW) as pilot:
        await shown(app, "of 1")
        await pilot.press("e")
        await shown(app, "Ended agents", "t0.1", "WHY", "error: [bold]no [2J[/]")
        await pilot.press("e")
        await shown(app, "Live agents", "t1.1")


async def test_details(crowd: Crowd, app: TopApp) -> None:
    """Enter shows the record and the events, and goes on showing them; Esc goes back."""
    await crowd.register()
    await crowd.submit("t", context='{"path": "[red]/srv"}')
    ((agent_id, token, *_),) = await crowd.claim()
    await crowd.step("start", agent_id, token)
    async with app.run_test(size=WIDE) as pilot:
        await shown(app, "t.1")
        await pilot.press("enter")
        await wait_until(lambda: isinstance(app.screen, AgentScreen))
        await shown(app, "agentId      t.1", "status       running", "AGENT", "TASK")
        await shown(app, '"path": "[red]/srv"', "agent.running", "task.pending")
        await crowd.finish(agent_id, token, "failed", reason="error", error="a\x1b[31mb")
        await shown(app, "agent.failed")
        assert "error: a [31mb" in text_of(app)
        await pilot.press("escape")
        await shown(app, "No agent is alive.")


async def test_what_agents_tell(crowd: Crowd, app: TopApp) -> None:
    """Progress, note and last line stand in the list, also with 80 columns, and go on."""
    ((agent_id, token), _) = await crowd.run(2)
    await crowd.step("progress", agent_id, token, "0.4", "cloned")
    async with app.run_test(size=NARROW):
        await shown(app, "PROGRESS", "40 % cloned")
        assert "LAST LINE" not in text_of(app)
        await crowd.step("output", agent_id, token, 10, 1, "stdout", "[red]one\x1b[2J")
        await crowd.step("progress", agent_id, token, "1", "")
        await shown(app, "LAST LINE", "[red]one [2J", "100 % cloned")
        assert max(map(cell_len, screen_of(app))) <= NARROW[0]


async def test_output_in_the_details(crowd: Crowd, app: TopApp) -> None:
    """What an agent told and wrote; at the end, what it writes then is followed; elsewhere not."""
    ((agent_id, token),) = await crowd.run(1)
    await crowd.step("progress", agent_id, token, "0.25", "page 1")
    await crowd.step("checkpoint", agent_id, token, '{"page": "[red]1"}')
    await crowd.step("output", agent_id, token, 500, 1, *["stdout", "    more"] * 50)
    async with app.run_test(size=(80, 32)) as pilot:
        await shown(app, agent_id)
        await pilot.press("enter")
        await shown(app, "progress     25 %", "note         page 1", "End Follow output")
        await pilot.press("end")
        await shown(app, "stdout      more")
        await crowd.step("output", agent_id, token, 500, 51, "stderr", "  [red]last\x1b[2J")
        await shown(app, "stderr    [red]last [2J")
        await pilot.press("pageup", "pageup", "pageup")
        await crowd.step("output", agent_id, token, 500, 52, "log", "unseen")
        await wait_until(lambda: "unseen" in _lines_of(app))
        await pilot.pause()
        assert "unseen" not in text_of(app)
        await pilot.press("home")
        await shown(app, '"page": "[red]1"')


async def test_kill_yes(crowd: Crowd, app: TopApp) -> None:
    """K asks, y kills: the request is written, and the list tells that the agent stops."""
    await crowd.run(3)
    async with app.run_test(size=NARROW, notifications=True) as pilot:
        await shown(app, "t0.1")
        await pilot.press("down", "k")
        await shown(app, "Kill t1.1?", "check on n1, running", "not retried")
        assert await crowd.redis.hlen(crowd.keys.kills) == 0
        await pilot.press("y")
        await shown(app, "t1.1 is asked to stop", "stopping")
        assert await crowd.redis.hkeys(crowd.keys.kills) == ["t1.1"]


@pytest.mark.parametrize("key", ["n", "escape", "q"])
async def test_kill_no(crowd: Crowd, app: TopApp, key: str) -> None:
    """Any other answer leaves the agent alone, and the program goes on."""
    await crowd.run(1)
    async with app.run_test(size=NARROW) as pilot:
        await shown(app, "t0.1")
        await pilot.press("k")
        await wait_until(lambda: isinstance(app.screen, KillQuestion))
        await pilot.press("enter", key)
        await wait_until(lambda: isinstance(app.screen, MainScreen))
        assert await crowd.redis.hlen(crowd.keys.kills) == 0
        assert app.is_running


async def test_kill_asks_for_the_one_that_was_shown(crowd: Crowd, app: TopApp) -> None:
    """While one reads the question the agent may end: then this is told, and no other is killed."""
    agents = await crowd.run(2)
    async with app.run_test(size=NARROW, notifications=True) as pilot:
        await shown(app, "t0.1")
        await pilot.press("k")
        await crowd.finish(*agents[0])
        await wait_until(lambda: app.main.agents.page.total == 1)
        await pilot.press("y")
        await shown(app, "has already ended")
        assert await crowd.redis.hlen(crowd.keys.kills) == 0


async def test_kill_from_the_details(crowd: Crowd, app: TopApp) -> None:
    """The agent that one looks at can be killed there; one that has ended cannot."""
    ((agent_id, token),) = await crowd.run(1)
    async with app.run_test(size=NARROW) as pilot:
        await shown(app, "t0.1")
        await pilot.press("enter")
        await shown(app, "AGENT")
        await pilot.press("k")
        await shown(app, "Kill t0.1?")
        await pilot.press("y")
        await wait_until(lambda: crowd.redis.hexists(crowd.keys.kills, "t0.1"))
        await crowd.finish(agent_id, token)
        await shown(app, "killed in musterd top")
        await pilot.press("k")
        assert isinstance(app.screen, AgentScreen)


async def test_help_and_quit(app: TopApp) -> None:
    """? explains the keys, any of them goes back; q ends the program with 0."""
    async with app.run_test(size=NARROW) as pilot:
        await shown(app, "No agent is alive.")
        await pilot.press("question_mark")
        await shown(app, "kill the agent, after a question", "in UTC")
        assert isinstance(app.screen, Help)
        await pilot.press("q")
        await wait_until(lambda: isinstance(app.screen, MainScreen))
        await pilot.press("q")
        await wait_until(lambda: not app.is_running)
    assert app.return_code == 0


async def test_outage(own_server: StartServer, settings: LoadSettings) -> None:
    """Valkey is lost: this is told and the last state stays; it comes back: it goes on."""
    server = own_server()
    async with Client(settings(url=server.url)) as client:
        app = TopApp(Feed(client))
        async with app.run_test(size=NARROW) as pilot:
            await shown(app, "No agent is alive.")
            server.stop()
            await shown(app, "Not up to date. Valkey at", "No agent is alive.")
            await pilot.press("question_mark", "q", "k", "s")
            server.start()
            await wait_until(lambda: "Not up to date." not in text_of(app), 8)
            assert app.is_running


async def test_nonsense_is_told_beside_what_there_is(crowd: Crowd, app: TopApp) -> None:
    """A key of another type is named above the agents, for as long as it is there."""
    await crowd.run(3)
    key = crowd.keys.tasks("failed")
    await crowd.plant(key)
    async with app.run_test(size=WIDE):
        await shown(app, "Not complete:", key, "t2.1", "3 running")
        await crowd.redis.delete(key)
        await wait_until(lambda: "Not complete:" not in text_of(app), 8)


@pytest.mark.parametrize("size", [(20, 5), (40, 10), (130, 16), (300, 100)])
async def test_any_size(crowd: Crowd, app: TopApp, size: tuple[int, int]) -> None:
    """However small or large the terminal is, agents are listed and no line is too long."""
    await crowd.run(3)
    async with app.run_test(size=size) as pilot:
        await shown(app, "t0.1")
        assert max(map(cell_len, screen_of(app))) <= size[0]
        await _resize(pilot, NARROW)
        await shown(app, "t2.1", "3 running")


async def test_no_color(crowd: Crowd, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR nothing has a colour, and the cursor is seen all the same."""
    monkeypatch.setenv("NO_COLOR", "1")
    await crowd.run(2)
    app = TopApp(feed, no_color=True)
    async with app.run_test(size=NARROW):
        await shown(app, "t0.1")
        lines = app.screen._compositor.render_strips()
        segments = [
            segment
            for line in lines
            for segment in line.apply_filter(_no_color(app), app.screen.background_colors[1])
        ]
        styles = [segment.style for segment in segments if segment.style is not None]
        assert {style.color.name for style in styles if style.color} <= {"default"}
        assert {style.bgcolor.name for style in styles if style.bgcolor} <= {"default"}
        assert any(style.reverse for style in styles)


def _no_color(app: TopApp) -> LineFilter:
    (found,) = app.get_line_filters()
    return found


def _lines_of(app: TopApp) -> list[str]:
    assert isinstance(app.screen, AgentScreen)
    return [line.line for line in app.screen.details.output] if app.screen.details else []


def _selected(app: TopApp) -> str:
    row = app.main.agents.selected
    return row.agent_id if row else ""


async def _resize(pilot: Pilot[None], size: tuple[int, int]) -> None:
    await pilot.resize_terminal(*size)
    await pilot.pause()
