"""The comparison with peers: its arithmetic, its pins, and a small run of it with musterd alone."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import environments
from bench.compare import __main__ as compare
from bench.compare import figures, tables
from bench.compare.circumstances import Circumstances
from bench.compare.drivers.library import Library, Producer
from bench.compare.figures import Row, Spread
from bench.compare.measures import SMALL, Sizes
from bench.compare.peers import ALL, DRIVERS, OURS, ROOT
from bench.compare.told import Told
from bench.pictures.sweeps import Game, games

HERE = Circumstances(
    date="2026-11-22", cores=2, versions={"Valkey": "9.1"}, fsync="everysec", sizes={"jobs": 10_000}
)
ROWS = [
    Row("musterd", 0, 1.0, {"drain": 300.0, "kill p50": 2.0}),
    Row("saq", 0, 1.5, {"drain": 100.0, "kill p50": 3.0}),
    Row("musterd", 1, 2.0, {"drain": 200.0}),
    Row("saq", 1, 2.0, {"drain": 100.0}),
    Row("saq", 2, 2.0, {"drain": 1.0}),
]


def test_ratios_are_within_a_round() -> None:
    """Two rounds have both peers; the third has nothing to compare with."""
    rounds = figures.gather(ROWS)
    assert figures.ratios(rounds, "musterd", "saq", "drain") == Spread(2.5, 2.0, 3.0)


def test_less_time_is_a_larger_ratio() -> None:
    """3 ms beside our 2 is 1.5 times as good, not 0.67."""
    rounds = figures.gather(ROWS)
    assert figures.ratios(rounds, "musterd", "saq", "kill p50") == Spread(1.5, 1.5, 1.5)
    assert figures.ratios(rounds, "musterd", "saq", "memory") is None


def test_tables_hold_figures_ratios_and_faults() -> None:
    """Each peer has a row, with its span over the rounds; what failed is told below."""
    text = tables.render(HERE, [*ROWS, Row("saq", 1, 2.0, {}, "kill: it ended")])
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "| musterd | 250 (200 to 300) |" in lines
    assert "| saq | 100 (1 to 100) |" in lines
    assert "| beside saq | 2.5 (2 to 3) |" in lines
    assert lines[-1] == "saq, round 2: kill: it ended"


def test_rows_are_kept() -> None:
    """What a run has written is read again as it was."""
    assert [Row.of_line(row.as_line()) for row in ROWS] == ROWS
    assert Circumstances.of_line(HERE.as_line()) == HERE


def test_half_a_line_is_not_told_yet(tmp_path: Path) -> None:
    """A line counts once its end is there."""
    told = Told(tmp_path / "told")
    told.path.write_bytes(b"1.5 first\n2.5 stamp 1")
    assert told.has(["first"])
    assert not told.has(["stamp 1"])
    with told.path.open("ab") as file:
        file.write(b"2\n")
    assert told.has(["first", "stamp 12"])
    assert told.times == {"first": 1.5, "stamp 12": 2.5}


@pytest.mark.parametrize("name", ALL)
def test_each_peer_is_there(name: str) -> None:
    """It has a driver and, unless it is ours, an environment whose version can be told."""
    peer = ALL[name]
    assert any((DRIVERS / f"{peer.driver}{suffix}").exists() for suffix in (".py", ".cjs"))
    assert any(character.isdigit() for character in peer.version)


@pytest.mark.parametrize("name", [name for name, peer in ALL.items() if "kill" not in peer.skips])
def test_who_plays_kill_can(name: str) -> None:
    """Its driver is of the sort that stops jobs."""
    assert "(KillingLibrary):" in (DRIVERS / f"{ALL[name].driver}.py").read_text()


class Unstoppable(Library):
    """Takes jobs, and lets them be."""

    def work(self) -> None:
        """Nothing."""

    async def open(self) -> None:
        """Nothing."""

    async def submit(self, job: str, *numbers: int) -> object:
        """Nothing."""
        return (job, *numbers)


async def test_who_cannot_kill_says_so() -> None:
    """A peer that is told to play what its library does not have fails with what to do."""
    producer = Producer(Unstoppable())
    await producer.sleepers(1)
    with pytest.raises(TypeError, match="Unstoppable stops no job: its peer has to skip 'kill'"):
        await producer.kills(1, 0, 0)


@pytest.mark.parametrize("wanted", [*environments.PINS.glob("*.in")], ids=lambda path: path.stem)
def test_pins_are_up_to_date(wanted: Path) -> None:
    """What an environment is for is pinned in it. If not: `make lock`."""
    name, version = environments.version(wanted.stem).split(" ")
    assert f"\n{name}=={version}\n" in wanted.with_suffix(".txt").read_text()


def test_pictures_play_each_amount_in_turns() -> None:
    """Peers that are compared play one after the other, each as far as it goes."""
    played = list(games(1, ["kill"], 500))
    assert played[:2] == [Game("kill", "musterd", 100), Game("kill", "docket", 100)]
    assert {game.amount for game in played} == {100, 500}


@pytest.mark.parametrize("measure", ["submit", "latency"])
def test_a_peer_that_fails_ends_nothing(measure: str, tmp_path: Path) -> None:
    """Its row says what its program said, at once; the run goes on."""
    broken = replace(ALL[OURS], settings={"PYTHONPATH": ""})
    row = compare._play(0, measure, broken, Sizes(cache=tmp_path, **SMALL))
    assert row.found == {}
    assert "No module named" in row.fault


def test_a_worker_that_ends_is_noticed(tmp_path: Path) -> None:
    """A daemon refuses to run no agents at all: nobody waits for what it might tell."""
    row = compare._play(0, "drain", ALL[OURS], Sizes(cache=tmp_path, concurrency=0, **SMALL))
    assert "the worker has ended" in row.fault
    assert "MUSTERD_CAPACITY" in row.fault


def run(*module_and_options: str | Path) -> str:
    """What a program prints."""
    paths = os.pathsep.join(str(Path(path).resolve()) for path in sys.path)
    done = subprocess.run(
        [sys.executable, "-m", *module_and_options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_small_run(tmp_path: Path) -> None:
    """The program measures a real daemon and prints what it found; its rows can be shown again."""
    measured = ["--rounds", "1", "--peers", "musterd", "--only", "drain,kill"]
    printed = run("bench.compare", "--cache", tmp_path, "--small", *measured)
    rows = tmp_path / "compare.jsonl"
    drain, kill = [json.loads(line)["found"] for line in rows.read_text().splitlines()[1:]]
    assert drain["drain"] > 0, printed
    assert kill["kill p99"] >= kill["kill p50"] > 0
    assert run("bench.compare", "--again", rows) == printed


def test_musterd_alone() -> None:
    """`python -m bench` prints a line for each figure, of what is compared and of what is not."""
    printed = run(
        "bench", "--small", "--times", "1", "--json", "--only", "submit,daemon,command_line"
    )
    found = {row["name"]: row["median"] for row in map(json.loads, printed.splitlines())}
    assert found["plain submit, jobs/s"] > 0
    assert found["drain, daemon's CPU, µs a job"] >= 0  # it is counted in ticks of 10 ms
    assert 0 < found["drain, script calls, a job"] < 1
    assert found["musterd kill, ms"] > 0
