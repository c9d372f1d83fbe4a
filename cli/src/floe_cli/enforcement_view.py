"""What the rules of governance found, for a person and for a file."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

import click

from floe_cli.output_files import write_output
from floe_contracts.errors import WrongUsage
from floe_contracts.governance.reports import EnforcementSummary, Finding

_COLOURS: Final = {"error": "red", "warning": "yellow", "note": "cyan"}


class Blobs(Protocol):
    """Where reports are kept."""

    async def get(self, digest: str) -> bytes:
        """The bytes of that digest."""
        ...


def show_enforcement(found: EnforcementSummary | None) -> None:
    """Show warnings and notes on standard error, and say when rules had nothing to look at."""
    if found is None:
        return
    for finding in found.findings:
        _show(finding)
    told = found.errors + found.warnings + found.notes
    if told > len(found.findings):
        click.echo(f"and {told - len(found.findings)} more findings; --report FILE writes all of them", err=True)
    if found.status == "not_checked":
        why = "no rule had anything to look at" if found.not_checked else "neither document sets a rule"
        click.echo(f"governance   not checked: {why}", err=True)
        return
    click.echo(
        f"governance   {found.status}: {found.errors} errors, {found.warnings} warnings, {found.notes} notes", err=True
    )
    if found.not_checked:
        click.echo(f"             nothing to look at for {', '.join(found.not_checked)}", err=True)


def _show(finding: Finding) -> None:
    where = finding.where
    place = "" if where is None else f" {where.file}:{where.line}" + (f":{where.column}" if where.column else "")
    click.secho(f"{finding.severity} {finding.code}", fg=_COLOURS[finding.severity], bold=True, nl=False, err=True)
    click.echo(f"{place}\n  {finding.message}", err=True)
    if finding.hint:
        click.secho("  hint: ", fg="cyan", nl=False, err=True)
        click.echo(finding.hint, err=True)


async def write_report(blobs: Blobs, found: EnforcementSummary | None, file: Path) -> None:
    """Write the whole report to a file, as SARIF if its name ends so.

    Raises:
        WrongUsage: the submission was refused before any rule was looked at.
    """
    if found is None:
        raise WrongUsage(
            "there is no report: the submission was refused before its rules were looked at",
            hint="run it without --report, and mend what it shows",
        )
    content = await blobs.get(found.sarif_digest if file.suffix == ".sarif" else found.report_digest)
    write_output(file, content)
    click.echo(f"wrote {file}", err=True)
