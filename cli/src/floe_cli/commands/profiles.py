"""`floe profiles`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("-e", "--environment", help="The environment; dev, or the only one, if it is left out.")
def profiles(path: Path, environment: str | None) -> None:
    """Print the profiles.yml that floe generates for the product in PATH.

    It holds no secret: each is a variable, whose value the executor looks up for dbt alone. Needs no bus and starts
    nothing.
    """
    from floe_cli.environments import choose_environment
    from floe_cli.generated_profiles import generated_profile
    from floe_cli.products import read_product

    product = read_product(path)
    click.echo(generated_profile(product, choose_environment(product, environment)), nl=False)
