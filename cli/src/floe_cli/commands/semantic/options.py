"""The arguments and options that commands of `floe semantic` share."""

from __future__ import annotations

from pathlib import Path

import click

path = click.argument("path", type=click.Path(path_type=Path), default=".")
environment = click.option(
    "--environment", "--env", "-e", help="Where; dev, or the only one where something is live, where left out."
)
product = click.option("--product", "-p", help="The product; left out, the only one that is served there.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
