"""How errors are shown to a person: code, place, what is wrong, how to mend it. Never a stack trace."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Iterable, Sequence
from typing import Final

import click

from floe_chassis.errors import RequestFailed, RequestRefused, SettingInvalid
from floe_cli.errors import DraftRefused, RunGivenUp, SubmissionGivenUp
from floe_cli.exit_codes import ExitCode
from floe_contracts.errors import DocumentInvalid, FloeError, Permanent, WrongUsage
from floe_contracts.events import ArtifactRejected, Problem

_UNREACHABLE: Final = frozenset({"FLOE-DBT-044"})
"""The code of a hub of dbt packages that does not answer; the compiler tells it in a rejection."""


def show_error(error: FloeError) -> ExitCode:
    """Show an error, and tell the exit code that belongs to it."""
    if isinstance(error, DocumentInvalid):
        show_problems(Problem.of(problem) for problem in error.problems)
        return ExitCode.INVALID_DOCUMENT
    if isinstance(error, RequestRefused | RequestFailed):
        return _show_answered(error)
    if isinstance(error, DraftRefused):
        show_problems(error.problems)
        return code_of_rejection(error.problems)
    show_problems([Problem.of(error)])
    if isinstance(error, SubmissionGivenUp):
        return ExitCode.COMPILATION_FAILED
    if isinstance(error, RunGivenUp):
        return ExitCode.RUN_FAILED
    if isinstance(error, WrongUsage | SettingInvalid):
        return ExitCode.WRONG_USAGE
    return ExitCode.INVALID_DOCUMENT if isinstance(error, Permanent) else ExitCode.UNREACHABLE


def _show_answered(error: RequestRefused | RequestFailed) -> ExitCode:
    """Show what a service said, and tell the exit code: what it refuses was asked wrongly."""
    show_problems([error.problem])
    if error.problem.code == FloeError.code:
        return ExitCode.UNEXPECTED
    return ExitCode.UNREACHABLE if isinstance(error, RequestFailed) else ExitCode.WRONG_USAGE


def show_rejection(rejected: ArtifactRejected | None) -> ExitCode:
    """Show why a submission was rejected, and tell the exit code that belongs to it."""
    problems = rejected.problems if rejected else ()
    show_problems(problems)
    return code_of_rejection(problems)


def code_of_rejection(problems: Sequence[Problem]) -> ExitCode:
    """The exit code of a rejection: something needed that did not answer is nobody's mistake in a document."""
    unreachable = bool(problems) and all(problem.code in _UNREACHABLE for problem in problems)
    return ExitCode.UNREACHABLE if unreachable else ExitCode.COMPILATION_FAILED


def show_unexpected(error: Exception) -> ExitCode:
    """Say that floe itself is at fault; the traceback goes to a file that a report can bring along."""
    with tempfile.NamedTemporaryFile("w", prefix="floe-error-", suffix=".txt", delete=False) as report:
        report.writelines(traceback.format_exception(error))
    problem = Problem(
        code=FloeError.code,
        message=f"{type(error).__name__}: {error}",
        hint=f"this is a defect of floe; the details are in {report.name}",
    )
    show_problems([problem])
    return ExitCode.UNEXPECTED


def show_problems(problems: Iterable[Problem]) -> None:
    """Show problems on standard error, one after the other."""
    for problem in problems:
        position = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part is not None)
        place = " ".join(part for part in (position, f"({problem.path})" if problem.path else "") if part)
        click.secho(f"error {problem.code}", fg="red", bold=True, nl=False, err=True)
        click.echo(f" {place}" if place else "", err=True)
        for line in problem.message.splitlines():
            click.echo(f"  {line}", err=True)
        if problem.hint:
            click.secho("  hint: ", fg="cyan", nl=False, err=True)
            click.echo(problem.hint, err=True)
