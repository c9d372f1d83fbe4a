"""`floe validate`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
def validate(path: Path) -> None:
    """Check floe.yaml and platform.yaml of the product in PATH.

    All problems are shown at once, each with its place. Needs no bus and starts nothing.
    """
    from floe_cli.products import read_product

    product = read_product(path)
    environments = ", ".join(sorted(product.platform.environments))
    platform = "platform.yaml" if product.platform_yaml else "the embedded platform (there is no platform.yaml)"
    click.echo(f"floe.yaml is valid: product {product.name} {product.spec.metadata.version}")
    click.echo(f"{platform} is valid: environments {environments}")
