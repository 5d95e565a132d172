"""Help like a manual's page: of every command the same sections, and nothing that is not there."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from musterd.cli.command import ManualCommand, ManualGroup
from musterd.cli.root import musterd
from musterd.settings import Settings
from tests.cli.conftest import Cli

COMMANDS = ["", *musterd.list_commands(click.Context(musterd))]
SETTINGS = {"capacity", "prefix", "log_level", "log_format"}


def find(name: str) -> ManualCommand | ManualGroup:
    """The command of this name; the root of all for none."""
    command = musterd.get_command(click.Context(musterd), name) if name else musterd
    assert isinstance(command, ManualCommand | ManualGroup)
    return command


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("name", COMMANDS)
def test_sections(cli: Cli, name: str) -> None:
    """What it does, arguments, options, exit codes, two examples or more; at most 80 columns."""
    outcome = cli(*name.split(), "--help")
    assert (outcome.code, outcome.err) == (0, "")
    usage, text, *_ = outcome.out.split("\n\n")
    assert usage.startswith(f"Usage: musterd {name}".rstrip())
    assert text.startswith("  ")
    titles = re.findall(r"^([A-Z][a-z ]+):$", outcome.out, re.MULTILINE)
    arguments = [one for one in find(name).params if isinstance(one, click.Argument)]
    wanted = ["Arguments"] * bool(arguments) + ["Options"] + ["Commands"] * (not name)
    assert titles == [*wanted, "Exit codes", "Examples"]
    codes = outcome.out.partition("Exit codes:\n")[2].partition("\n\n")[0]
    assert re.findall(r"^  (\d+) +\w", codes, re.MULTILINE)[0] == "0"
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert not re.search(r"exit code \d", text)


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("name", COMMANDS[1:])
def test_arguments_and_defaults(cli: Cli, name: str) -> None:
    """Each argument is explained, and of each option that takes a value what holds without it."""
    command = find(name)
    out = cli(name, "--help").out
    options = out.partition("Options:\n")[2].partition("\n\n")[0]
    shown = re.findall(r"^  -.*(?:\n {10,}.*)*", options, re.MULTILINE)
    for one in command.params:
        if isinstance(one, click.Argument):
            told = out.partition("Arguments:\n")[2].partition("\n\n")[0].split()
            assert one.make_metavar(click.Context(command)).strip("[].") in told
        elif isinstance(one, click.Option) and not one.is_flag:
            (about,) = [text for text in shown if re.match(rf"  (-\w, )?{one.opts[0]} ", text)]
            assert "default:" in about


def test_defaults_of_settings_are_the_settings() -> None:
    """What `run` says of an option that is a setting is what holds."""
    told = {
        one.name: str(one.show_default).rpartition("else ")[2]
        for one in find("run").params
        if isinstance(one, click.Option)
    }
    wrong = [name for name in SETTINGS if told[name] != str(Settings.model_fields[name].default)]
    assert wrong == []


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_parse(name: str) -> None:
    """There are two at least of the command itself, with options that exist and values for them."""
    calls = [call for line in find(name).examples for call in calls_in(line)]
    for called, *arguments in calls:
        command = find(called)
        command.make_parser(click.Context(command)).parse_args(args=arguments)
    own = [called for called, *_ in calls if called == name or not name]
    assert len(own) >= 2


def calls_in(line: str) -> Iterator[list[str]]:
    """The arguments of each `musterd …` in a line, without the words beside it."""
    shown = re.split(r" {3,}", line)[0]
    shown = re.sub(r'"?\$\(|\)"', " ( ", shown)  # what is called within a text
    lexer = shlex.shlex(shown, posix=True, punctuation_chars="|&()")
    lexer.whitespace_split = True
    words = list(lexer)
    starts = [at for at, word in enumerate(words) if word == "musterd" and words[at - 1] != "-u"]
    for start in starts:
        rest = words[start + 1 :]
        ends = [at for at, word in enumerate(rest) if set(word) <= set("|&()")]
        yield rest[: ends[0]] if ends else rest
