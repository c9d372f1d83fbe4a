"""`floe schema`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def schema() -> None:
    """JSON Schemas of the documents, of the artifact and of the events."""


@schema.command("list")
def list_schemas() -> None:
    """Print the names that `floe schema export` takes."""
    from floe_cli.schemas import published_schemas

    for name in sorted(published_schemas()):
        click.echo(name)


@schema.command()
@click.argument("name")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it there.")
def export(name: str, output: Path | None) -> None:
    """Print the JSON Schema NAME: floe, platform, artifacts, nodes, report, or an event's kind, as in run.completed.

    Editors with a YAML language server complete and check floe.yaml by it.
    """
    from floe_cli.output_files import write_output
    from floe_cli.schemas import read_schema

    text = read_schema(name)
    if output is None:
        click.echo(text, nl=False)
        return
    write_output(output, text)
    click.echo(f"wrote {output}")
