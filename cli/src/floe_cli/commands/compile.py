"""`floe compile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from floe_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from floe_contracts.events import ArtifactCompiled


@click.command("compile")
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "yaml", "configmap"]),
    default="text",
    show_default=True,
    help="text: the digests. json, yaml: the artifact. configmap: the artifact for Kubernetes.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it there.")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what the rules of governance found there: SARIF 2.1 if it ends in .sarif, else JSON.",
)
@click.option("--validate-only", is_flag=True, help="Only read both documents, as floe validate does.")
@click.option(
    "--dry-run", is_flag=True, help="Compile and tell what would change, as floe plan does; announce nothing."
)
@click.pass_context
def compile_(
    context: click.Context,
    path: Path,
    form: str,
    output: Path | None,
    report: Path | None,
    validate_only: bool,
    dry_run: bool,
) -> int:
    """Compile the product in PATH into its artifact, and show it. Nothing is run.

    It is the compiler service that compiles, here as in production.
    """
    import asyncio

    _refuse_idle_options(form, output, report, validate_only=validate_only, dry_run=dry_run)
    if validate_only:
        from floe_cli.commands.validate import validate

        return int(context.invoke(validate, path=path) or ExitCode.OK)
    if dry_run:
        from floe_cli.commands.plan import plan

        return int(context.invoke(plan, path=path, form=form, output=output))
    return asyncio.run(_compile(path, form, output, report))


def _refuse_idle_options(
    form: str, output: Path | None, report: Path | None, *, validate_only: bool, dry_run: bool
) -> None:
    """Refuse options that would do nothing, rather than leave a build waiting for a file."""
    if validate_only and (dry_run or output or report or form != "text"):
        raise click.UsageError("--validate-only makes nothing that could be written or shown in a format")
    if dry_run and (report or form not in ("text", "json")):
        raise click.UsageError("--dry-run shows a plan, as text or json, and makes no report")


async def _compile(path: Path, form: str, output: Path | None, report: Path | None) -> int:
    from floe_cli.enforcement_view import show_enforcement, write_report
    from floe_cli.follow.session import compile_product
    from floe_cli.products import read_product
    from floe_cli.show_problems import show_rejection
    from floe_cli.stack.any_stack import any_stack

    product = read_product(path)
    async with any_stack(path, services=("compiler",)) as connection:
        result = await compile_product(connection, product, min(product.platform.environments), lambda _: None)
        rejected, compiled = result.progress.rejected, result.progress.compiled
        outcome = compiled or rejected
        enforcement = outcome.enforcement if outcome else None
        if report is not None:
            await write_report(connection.blobs(), enforcement, report)
    if rejected is not None:
        return show_rejection(rejected)
    if compiled is not None:
        show_enforcement(enforcement)
        _show(compiled, form, output)
    return ExitCode.OK


def _show(compiled: ArtifactCompiled, form: str, output: Path | None) -> None:
    from floe_cli.artifact_formats import FORMATS
    from floe_cli.output_files import write_output

    text = _digests(compiled) if form == "text" else FORMATS[form](compiled.artifact, compiled.artifact_digest)
    if output is None:
        click.echo(text, nl=False)
        return
    write_output(output, text)
    click.echo(f"wrote {output}")


def _digests(compiled: ArtifactCompiled) -> str:
    lines = [f"artifact     {compiled.artifact_digest}", f"source       {compiled.artifact['sources']['bundle']}"]
    environments = compiled.artifact["environments"].items()
    return (
        "\n".join([*lines, *(f"environment  {name}: manifest {part['manifest']}" for name, part in environments)])
        + "\n"
    )
