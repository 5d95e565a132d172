"""TOML files of agent kinds."""

from pathlib import Path

import pytest

from musterd import kind_files
from musterd.errors import KindError
from musterd.functions import Options
from musterd.kind_files import CommandKind


def read(text: str, folder: Path) -> list[CommandKind]:
    """Read a file with this text."""
    path = folder / "agents.toml"
    path.write_text(text)
    return list(kind_files.read(str(path)))


def test_every_key(tmp_path: Path) -> None:
    """What the contract shows is read; a working directory is relative to the file."""
    text = """
    [agents.check]
    command = ["bash", "check.sh"]
    timeout = 600
    max_attempts = 3
    max_concurrent = 4
    backoff = 0.5
    backoff_max = 8
    messages = true
    working_directory = "checks"
    environment = { LANG = "C.UTF-8" }
    [agents."fix.it"]
    command = ["true"]
    """
    check, fix = read(text, tmp_path)
    assert check == CommandKind(
        Options(
            name="check",
            timeout=600,
            max_attempts=3,
            max_concurrent=4,
            backoff=0.5,
            backoff_max=8,
            messages=True,
        ),
        ["bash", "check.sh"],
        tmp_path / "checks",
        {"LANG": "C.UTF-8"},
    )
    assert fix == CommandKind(Options(name="fix.it", messages=False), ["true"], None, {})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "agents: is missing"),
        ("[agents]", "line 1: agents: Dictionary should have at least 1 item"),
        ("[agent.x]\ncommand = []", "line 1: agent: there is no such key"),
        ("[agents.x]", "line 1: agents.x.command: is missing"),
        ("[agents.x", "not TOML: Expected ']'"),
        (
            "\n[agents.x]\ncommand = 'bash \"a b\"'",
            'line 3: agents.x.command: give a list, ["bash", "a b"]',
        ),
        ("[agents.x]\ncommand = 'it\\'s'", "not TOML"),
        ('[agents.x]\ncommand = "it\'s"', 'line 2: agents.x.command: give a list, ["it\'s"]'),
        ("[agents.x]\ncommand = 5", "line 2: agents.x.command: Input should be a valid list"),
        ('[agents.x]\ncommand = ["sleep", 5]', 'line 2: agents.x.command.1: give text, "5"'),
        (
            '[agents.x]\ncommand = ["a"]\nenvironment = {A = true}',
            'line 3: agents.x.environment.A: give text, "true"',
        ),
        ("[agents.x]\ncommand = []", "line 2: agents.x.command: List should have at least 1 item"),
        ('[agents.x]\ncommand = ["a\\u0000b"]', "line 2: agents.x.command.0: must not hold a zero"),
        (
            '[agents.a]\ncommand = ["a"]\n[ agents . "b" ]\ncommand = ["b"]\ntimeuot = 1',
            "line 5: agents.b.timeuot: there is no such key",
        ),
        (
            '[agents.a]\ncommand = ["a"]\ntimeout = 5\n[agents.b]\ncommand = ["b"]\ntimeout = 0',
            "line 6: agents.b.timeout: 0.0 is not accepted; give seconds, 0.001 to 315360000",
        ),
        (
            '[agents.x]\ncommand = ["a"]\nschema = {type = "object"}',
            "line 3: agents.x.schema: give",
        ),
        (
            '[agents.x]\ncommand = ["a"]\nschema_file = "a"',
            "line 3: agents.x.schema_file: there is",
        ),
        ('[agents.x]\ncommand = ["a"]\nmax_attempts = 1.5', "line 3: agents.x.max_attempts: "),
        ('[agents.x]\ncommand = ["a"]\nmax_attempts = true', "line 3: agents.x.max_attempts: "),
        ('[agents."a b"]\ncommand = ["a"]', "line 1: agents.a b: 'a b' is not accepted"),
        (
            '[agents.x]\ncommand = ["a"]\n[agents.x.environment]\n"A=B" = "c"',
            "line 1: agents.x.environment.A=B: 'A=B' cannot name a variable",
        ),
        ('agents.x.command = ["a"]\nagents.x.timeout = -1', "agents.x.timeout: -1.0 is not"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, problem: str, tmp_path: Path) -> None:
    """The error names the file, the key, and the line where it can be known."""
    with pytest.raises(KindError) as caught:
        read(text, tmp_path)
    where, _, found = str(caught.value).partition("agents.toml: ")
    assert where.startswith("MUSTERD_AGENTS: /")
    assert problem in found


def test_a_schema_is_read(tmp_path: Path) -> None:
    """Its path is relative to the file, wherever that is named from."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/page.json").write_text('{"type": "object"}')
    text = '[agents.x]\ncommand = ["a"]\nschema = "schemas/page.json"'
    (kind,) = read(text, tmp_path)
    assert kind.schema is not None
    assert kind.schema.document == {"type": "object"}


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (None, "page.json: cannot be read: No such file or directory"),
        ("{", "page.json: not JSON: Expecting property name"),
        ('{"a": 1, "a": 2}', "page.json: not JSON: an object names a key twice"),
        ("[]", "page.json: a schema is a JSON object"),
        ('{"properties": {"a": {"type": 5}}}', "page.json: properties.a.type: 5 is not valid"),
        ('{"$ref": "https://example.com/x"}', "page.json: $ref: 'https://example.com/x' leads"),
    ],
)
def test_a_schema_that_cannot_be_used(schema: str | None, problem: str, tmp_path: Path) -> None:
    """The error names the line of the TOML file, the schema's file, and the place in that."""
    if schema is not None:
        (tmp_path / "page.json").write_text(schema)
    with pytest.raises(KindError) as caught:
        read('[agents.x]\ncommand = ["a"]\nschema = "page.json"', tmp_path)
    assert f"agents.toml: line 3: agents.x.schema: {problem}" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["a = " + "9" * 5000, "a = " + "[" * 5000, "a = " + "[" * 5000 + "]" * 5000]
)
def test_what_the_parser_cannot_bear_is_told(text: str, tmp_path: Path) -> None:
    """Numbers of too many digits, and lists in lists in lists."""
    with pytest.raises(KindError, match=r"agents\.toml: not TOML: "):
        read(text, tmp_path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a folder, or not text."""
    with pytest.raises(KindError, match=r"none.toml: cannot be read: No such file"):
        list(kind_files.read(str(tmp_path / "none.toml")))
    with pytest.raises(KindError, match=r"cannot be read: Is a directory"):
        list(kind_files.read(str(tmp_path)))
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(KindError, match=r"not valid UTF-8"):
        list(kind_files.read(str(tmp_path / "bytes.toml")))
