"""The documents name only what is there."""

import re
from pathlib import Path

import pytest

from musterd.commands import COMMANDS
from musterd.keys import Keys
from musterd.settings import Settings
from musterd.states import AgentState, Reason, TaskState

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SETTINGS = {str(field.validation_alias) for field in Settings.model_fields.values()}
GIVEN_TO_AGENTS = {
    "MUSTERD_TASK_ID",
    "MUSTERD_AGENT_ID",
    "MUSTERD_ATTEMPT",
    "MUSTERD_OWNER",
    "MUSTERD_RESULT",
}
SOURCES = ("daemon/musterd", "daemon/musterd/lua", "tests", "docs", "systemd", ".")


def quoted(document: Path) -> list[str]:
    """What stands between backticks on one line."""
    return re.findall(r"`([^`\n]+)`", document.read_text(encoding="utf-8"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_exist(document: Path) -> None:
    """Each path of ours that a document names, or links to, is there."""
    text = document.read_text(encoding="utf-8")
    named = {
        name for name in quoted(document) if re.fullmatch(r"[\w./-]+(/|\.(py|md|lua|toml))", name)
    }
    linked = set(re.findall(r"\]\((?!https?:)([^)#]+)\)", text))
    missing = [name for name in named if not any((ROOT / base / name).exists() for base in SOURCES)]
    missing += [name for name in linked if not (document.parent / name).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_settings_exist(document: Path) -> None:
    """Each setting that a document names is one."""
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:MUSTERD|VALKEY)_[A-Z_]+[A-Z]\b", text))
    assert named - SETTINGS - GIVEN_TO_AGENTS == set()


def test_contract_names_everything() -> None:
    """Each setting, key, state, reason and command of the code stands in the contract."""
    text = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
    keys = Keys("{P}")
    formed = [
        keys.task("{taskId}"), keys.agent("{agentId}"), keys.heartbeat("{agentId}"),
        keys.node("{node}"), keys.owned("{node}"),
        keys.epochs("{node}"), keys.queue("{kind}"), keys.tasks("{status}"),
        keys.agents("{status}"), keys.kill_bell("{node}"), keys.scheduled, keys.sequence,
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
