"""`musterd doctor`: what is wrong here, and what to do about it."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from musterd.cli.command import EXITS, ManualCommand, json_option
from musterd.cli.options import settings_options
from musterd.cli.output import print_json
from musterd.display import one_line

if TYPE_CHECKING:
    from musterd.doctor.findings import Finding, Report

_STYLES: Final = {"ok": "green", "note": "cyan", "warning": "yellow", "problem": "red"}
_INDENT: Final = " " * 11


@click.command(
    cls=ManualCommand,
    exits=EXITS | {1: "there is a problem"},
    examples="""
        musterd doctor                       with this shell's and folder's settings
        musterd doctor --agents agents.toml --embedded
        sudo -u musterd musterd doctor       as the daemon's user, with its rights
        musterd doctor --json | jq '.findings[] | select(.level == "problem")'
    """,
)
@click.option("--embedded", is_flag=True, help="Examine the embedded server, as `musterd run` has.")
@settings_options
@json_option("one document: settings with their sources, and findings")
def doctor(*, embedded: bool, agents: tuple[str, ...], as_json: bool, **given: str | None) -> int:
    """Find what is wrong with an installation, and say what to do.

    Each finding is ok, a note, a warning or a problem, with what to do about it. A problem is what
    would lose work or keep a daemon from working. Nothing is changed; modules that --agents or
    MUSTERD_AGENTS names are imported. If the server is not reachable, or refuses us, what can be
    said without it is said.
    """
    import anyio  # noqa: PLC0415 - `--help` does without

    from musterd.doctor.examination import examine  # noqa: PLC0415 - as above
    from musterd.settings import load  # noqa: PLC0415 - as above

    options = {"embedded": embedded or None, "agents": ",".join(agents) or None, **given}
    used = {name for name, value in options.items() if value is not None}
    report = anyio.run(examine, load(**options), used)
    if as_json:
        print_json(report.as_json())
    else:
        for line in _lines(report):
            click.echo(line)
    return report.exit_code


def _lines(report: "Report") -> Iterator[str]:
    yield click.style("settings", bold=True)
    width = max(len(origin.name) for origin in report.settings)
    for origin in report.settings:
        line = f"  {origin.name:{width}}  {one_line(origin.value) or '-'}  ({origin.source})"
        yield click.style(line, dim=origin.source == "default")
    for area, findings in itertools.groupby(report.findings, lambda finding: finding.area):
        if area != "settings":  # these stand below their table
            yield from ("", click.style(area, bold=True))
        for finding in findings:
            yield from _told(finding)
    yield from ("", _verdict(report))


def _told(finding: "Finding") -> Iterator[str]:
    mark = click.style(f"{finding.level:7}", fg=_STYLES[finding.level])
    yield f"  {mark}  {one_line(finding.what)}"
    if finding.do:
        yield click.style(f"{_INDENT}→ {one_line(finding.do)}", dim=True)


def _verdict(report: "Report") -> str:
    counts = {level: report.count(level) for level in ("problem", "warning", "note")}
    told = [f"{count} {level}{'s' * (count != 1)}" for level, count in counts.items() if count]
    return f"{', '.join(told) or 'all is well'}"
