"""`floe validate`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
def validate(path: Path) -> None:
    """Check floe.yaml and platform.yaml of the product in PATH.

    All problems are shown at once, each with its place. Of documents of an older form it is told, on standard error,
    what of them has no home in floe. Needs no bus and starts nothing.
    """
    from floe_cli.products import read_product
    from floe_cli.profile_names import check_profile_names

    product = read_product(path)
    check_profile_names(product, sorted(product.platform.environments))
    for note in product.notes:
        click.echo(f"note {note}", err=True)
    environments = ", ".join(sorted(product.platform.environments))
    own = product.resolved.documents[0].name
    platform = own if product.platform_yaml is not None else f"{own} (there is no platform.yaml)"
    click.echo(f"floe.yaml is valid: product {product.name} {product.spec.metadata.version}")
    click.echo(f"{platform} is valid: environments {environments}")
