"""`floe semantic render`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from floe_cli.commands.semantic import options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from floe_contracts.semantic_requests import BundleRendered


@click.command()
@options.path
@click.option("--environment", "--env", "-e", help="One of platform.yaml; dev, or the only one, where left out.")
@click.option(
    "-o",
    "--out",
    "output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write the files into this new or empty folder, in place of showing them.",
)
@options.as_json
def render(path: Path, environment: str | None, output: Path | None, as_json: bool) -> None:
    """Show the Cube files that the product in PATH would be served with, and what is left out of them.

    It is the compiler service that compiles and the semantic service that renders, here as in production. Nothing is
    announced, and Cube is offered nothing.
    """
    import asyncio

    from floe_cli.products import read_product
    from floe_cli.semantic.drafts import draft, drafting

    product = read_product(path)

    async def main() -> tuple[BundleRendered, dict[str, str]]:
        async with drafting(product, environment) as semantic:
            return await draft(semantic, product)

    rendered, texts = asyncio.run(main())
    if output is not None:
        _write(output, texts)
    if as_json:
        _print_document(rendered, texts)
    elif output is not None:
        _say(rendered, err=False)
        click.echo(f"wrote {len(texts)} files below {output}")
    else:
        for name, text in texts.items():
            click.echo(f"# {name}\n{text}")
        _say(rendered, err=True)


def _say(rendered: BundleRendered, *, err: bool) -> None:
    from floe_cli.semantic.views import rendered_lines

    click.echo("\n".join(rendered_lines(rendered)), err=err)


def _print_document(rendered: BundleRendered, texts: Mapping[str, str]) -> None:
    import json

    document = rendered.model_dump(mode="json")
    click.echo(
        json.dumps(document | {"files": [file | {"content": texts[file["path"]]} for file in document["files"]]})
    )


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write the files where nothing else is: one that is left of another bundle would be read with them.

    Raises:
        FileUnusable: the folder holds something, or cannot be written to.
    """
    from floe_cli.errors import FileUnusable
    from floe_cli.output_files import write_output

    if folder.is_dir() and any(folder.iterdir()):
        raise FileUnusable(f"{folder} is not empty", hint="name a folder that does not exist yet")
    for name, text in texts.items():
        write_output(folder / name, text)
