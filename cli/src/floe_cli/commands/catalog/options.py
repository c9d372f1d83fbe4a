"""The arguments and options that commands of `floe catalog` share."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

path = click.argument("path", type=click.Path(path_type=Path), default=".")
table = click.argument("table")
environment = click.option(
    "--environment", "--env", "-e", help="Where; dev, or the only one where something is live, where left out."
)
product = click.option("--product", "-p", help="Only tables of this product.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")

AT_HELP: Final = "A snapshot's id, a tag, a branch, an ISO time, or run:ID; the current one where left out."
