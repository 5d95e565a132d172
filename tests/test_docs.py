"""The documents name only what is there."""

import ast
import dataclasses
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from musterd import errors
from musterd.cli.root import musterd
from musterd.client import Client
from musterd.commands import COMMANDS
from musterd.errors import MusterdError
from musterd.keys import Keys
from musterd.moves import KillOutcome
from musterd.records import AgentRecord, Event, Line, NodeRecord, TaskRecord
from musterd.settings import Settings
from musterd.states import AgentState, Reason, TaskState
from musterd.submission import Submission

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUNNING = ROOT / "docs/running.md"
CLIENT = ROOT / "docs/client.md"
SETTINGS = {str(field.validation_alias) for field in Settings.model_fields.values()}
GIVEN_TO_AGENTS = {
    "MUSTERD_TASK_ID",
    "MUSTERD_AGENT_ID",
    "MUSTERD_ATTEMPT",
    "MUSTERD_OWNER",
    "MUSTERD_RESULT",
    "MUSTERD_PROGRESS",
    "MUSTERD_CHECKPOINT",
}
SOURCES = ("daemon/musterd", "daemon/musterd/lua", "tests", "docs", "systemd", ".")
LOGGERS = {
    "log", "self.log", "_log", "structlog.get_logger()", "late_log.logger()", "self._troubles",
}  # fmt: skip
LOG_LEVELS = {"info", "warning", "error", "exception", "met"}
NOT_THE_DAEMON = {"demo", "doctor", "top"}


def title(document: Path) -> str:
    """A document as a test's name has it."""
    return str(document.relative_to(ROOT))


def quoted(document: Path) -> list[str]:
    """What stands between backticks on one line."""
    return re.findall(r"`([^`\n]+)`", document.read_text(encoding="utf-8"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_paths_exist(document: Path) -> None:
    """Each path of ours that a document names, or links to, is there."""
    text = document.read_text(encoding="utf-8")
    named = {
        name for name in quoted(document) if re.fullmatch(r"[\w./-]+(/|\.(py|md|lua|toml))", name)
    }
    bases = [document.parent, *(ROOT / base for base in SOURCES)]
    linked = set(re.findall(r"\]\((?!https?:)([^)#]+)\)", text))
    missing = [name for name in named if not any((base / name).exists() for base in bases)]
    missing += [name for name in linked if not (document.parent / name).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_settings_exist(document: Path) -> None:
    """Each setting that a document names is one."""
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:MUSTERD|VALKEY)_[A-Z_]+[A-Z]\b", text))
    assert named - SETTINGS - GIVEN_TO_AGENTS == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_commands_exist(document: Path) -> None:
    """Each `musterd COMMAND` of a document is one, and so is each option that it is given."""
    wrong = []
    for line in commands(document):
        name, *words = re.split(r"[\s|)\"]+", line)
        command = musterd.get_command(click.Context(musterd), name)
        options = {option for one in command.params for option in one.opts} if command else set()
        given = {word for word in words if re.fullmatch(r"--[a-z-]+", word)}
        if command is None or given - options - {"--help"}:
            wrong.append(line)
    assert wrong == []


def commands(document: Path) -> Iterator[str]:
    """What follows `musterd` where a document shows a command: in backticks or in code."""
    text = document.read_text(encoding="utf-8")
    code = re.findall(r"^```(?:console|bash)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    code += re.findall(r"^    .*$", text, re.MULTILINE)
    shown = [line for block in code for line in block.splitlines()]
    for line in [*quoted(document), *shown]:
        found = re.search(r"(?:^|[ $(])musterd (?!musterd)([a-z].*)", line)
        if found and not found[1].startswith(("run | ", "on ")):
            yield found[1].split(" #")[0]


def test_contract_names_all_commands() -> None:
    """The contract's list of commands is the program's."""
    text = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"`musterd (run \| [^`]+)`", text)
    assert set(listed.split(" | ")) == set(musterd.list_commands(click.Context(musterd)))


def test_log_lines_are_told() -> None:
    """The tables of log lines hold each line that a daemon writes, and no other."""
    tables = re.findall(r"^\| (`[^|]+) \|", RUNNING.read_text(encoding="utf-8"), re.MULTILINE)
    told = {name for cell in tables for name in re.findall("`([^`]+)`", cell)}
    assert told ^ set(logged()) == set()


def logged() -> Iterator[str]:
    """What the daemon's source logs at info or above."""
    for path in (ROOT / "daemon/musterd").rglob("*.py"):
        if NOT_THE_DAEMON.isdisjoint(path.relative_to(ROOT / "daemon/musterd").parts):
            yield from map(event_of, filter(is_log_call, ast.walk(ast.parse(path.read_bytes()))))


def is_log_call(node: ast.AST) -> bool:
    """Whether this is `log.info("…")` or the like."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LOG_LEVELS
        and ast.unparse(node.func.value) in LOGGERS
        and bool(node.args)
        and isinstance(node.args[0], ast.Constant)
    )


def event_of(call: ast.AST) -> str:
    """What such a call says."""
    assert isinstance(call, ast.Call)
    assert isinstance(call.args[0], ast.Constant)
    return str(call.args[0].value)


def test_client_methods_are_told() -> None:
    """Each public method of the client stands there with the arguments that it really takes."""
    text = CLIENT.read_text(encoding="utf-8")
    methods = {
        name: method
        for name, method in inspect.getmembers(Client, inspect.isfunction)
        if not name.startswith("_")
    }
    wrong = [call for call in map(plain_call, methods, methods.values()) if call not in text]
    assert wrong == []


def plain_call(name: str, method: object) -> str:
    """`name(argument, other=default)`."""
    assert callable(method)
    _, *parameters = inspect.signature(method).parameters.values()
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in parameters]
    return f"client.{name}{inspect.Signature(bare)}"


def test_client_errors_are_told() -> None:
    """Each error of musterd is named, and nothing that is not there is called an error."""
    text = CLIENT.read_text(encoding="utf-8")
    defined = {
        name
        for name, error in inspect.getmembers(errors, inspect.isclass)
        if issubclass(error, MusterdError)
    }
    assert set(re.findall(r"`(\w+Error)`", text)) == defined | {"TimeoutError"}


@pytest.mark.parametrize(
    "kind", [Submission, TaskRecord, AgentRecord, Line, NodeRecord, Event, KillOutcome]
)
def test_client_values_are_told(kind: type) -> None:
    """Each field of what the client takes and returns is named."""
    named = set(quoted(CLIENT))
    fields = {field.name for field in dataclasses.fields(kind)}
    assert kind.__name__ in {re.split(r"\W", name)[0] for name in named}
    assert fields - named == set()


def test_floors_are_those_that_are_checked() -> None:
    """The architecture's table has a row for each layer of the linter's contract, in its order."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (c for c in project["tool"]["importlinter"]["contracts"] if "layers" in c)
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| [^|]+ \| (`[^|]+) \| [^|]+ \|$", text, re.MULTILINE)
    told = [set(re.findall(r"`(\w+)(?:\.py|/)`", row)) - {"lua"} for row in table]
    assert told == [set(re.split(r" [|:] ", layer)) for layer in contract["layers"]]


def test_contract_names_everything() -> None:
    """Each setting, key, state, reason and command of the code stands in the contract."""
    text = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
    keys = Keys("{P}")
    formed = [
        keys.task("{taskId}"), keys.agent("{agentId}"), keys.heartbeat("{agentId}"),
        keys.node("{node}"), keys.owned("{node}"),
        keys.epochs("{node}"), keys.queue("{kind}"), keys.tasks("{status}"),
        keys.agents("{status}"), keys.kill_bell("{node}"), keys.mail_bell("{node}"),
        keys.output("{agentId}"), keys.messages("{agentId}"), keys.scheduled, keys.sequence,
        keys.kinds, keys.kills, keys.nodes, keys.events_log, keys.events, keys.wake,
        keys.control, keys.submit, keys.reply,
    ]  # fmt: skip
    names = [*SETTINGS, *formed, *TaskState, *AgentState, *Reason, *COMMANDS]
    assert [name for name in names if name not in text] == []


def test_contract_has_the_settings_defaults() -> None:
    """The default of each setting that has a plain one is the code's."""
    rows = dict(
        re.findall(
            r"^\| (`[^|]+) \| ([^|]+) \|", (ROOT / "docs/contract.md").read_text(), re.MULTILINE
        )
    )
    wrong = []
    for field in Settings.model_fields.values():
        default = field.default
        if field.default_factory is not None or default in (None, ()):
            continue
        text = str(default).lower() if isinstance(default, bool) else f"{default}"
        row = next(rows[names] for names in rows if f"`{field.validation_alias}`" in names)
        if f"`{text}`" not in row:
            wrong.append((field.validation_alias, text, row))
    assert wrong == []
