"""`floe init`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--name", help="Name of the product; left out, that of the folder.")
@click.option("--owner", default="you@example.com", show_default=True, help="Whom to ask about it.")
@click.option(
    "--template",
    default="minimal",
    show_default=True,
    help="minimal: a seed and a table. governed: bronze, silver and gold, two environments, rules and policies.",
)
def init(path: Path, name: str | None, owner: str, template: str) -> None:
    """Write a new product into PATH. What is there already is never overwritten.

    The product is valid and runs as it is: floe run PATH
    """
    import shlex

    from floe_cli.product_templates import write_template

    for file in write_template(path, template=template, name=name, owner=owner):
        click.echo(f"wrote {file}")
    folder = shlex.quote(str(path))
    click.echo(f"\nnext: floe validate {folder}\n      floe run {folder}")
