"""`floe explain`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("field")
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("-e", "--environment", help="Only in this one; FIELD may then be a field of the environment.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def explain(field: str, path: Path, environment: str | None, as_json: bool) -> None:
    """Say what holds for FIELD of the product in PATH, and which document it came from.

    FIELD is a field of floe.yaml or of platform.yaml with all that it inherits, as in compute.warehouse.threads or
    governance.coverage; one that both have is told of both. Needs no bus and starts nothing.
    """
    import json

    from floe_cli.explaining import explain_field
    from floe_cli.explanation_views import to_document, to_lines

    explained = explain_field(path, field, environment)
    if as_json:
        click.echo(json.dumps([to_document(one) for one in explained], indent=2))
    else:
        click.echo("\n\n".join("\n".join(to_lines(one)) for one in explained))
