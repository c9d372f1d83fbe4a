"""`floe compile`."""

from __future__ import annotations

from pathlib import Path

import click

from floe_cli.exit_codes import ExitCode


@click.command("compile")
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--json", "as_json", is_flag=True, help="Print the artifact itself.")
def compile_(path: Path, as_json: bool) -> int:
    """Compile the product in PATH into its artifact, and show it. Nothing is run.

    It is the compiler service that compiles, here as in production.
    """
    import asyncio
    import json

    from floe_cli.follow.session import compile_product
    from floe_cli.products import read_product
    from floe_cli.show_problems import show_problems
    from floe_cli.stack.any_stack import any_stack

    product = read_product(path)

    async def main() -> int:
        async with any_stack(path) as connection:
            environment = min(product.platform.environments)
            result = await compile_product(connection, product, environment, lambda _: None)
        rejected, compiled = result.progress.rejected, result.progress.compiled
        if rejected is not None:
            show_problems(rejected.problems)
            return ExitCode.COMPILATION_FAILED
        if compiled is not None and as_json:
            click.echo(json.dumps(compiled.artifact, indent=2))
        elif compiled is not None:
            click.echo(f"artifact     {compiled.artifact_digest}")
            click.echo(f"source       {compiled.artifact['sources']['bundle']}")
            for name, part in compiled.artifact["environments"].items():
                click.echo(f"environment  {name}: manifest {part['manifest']}")
        return ExitCode.OK

    return asyncio.run(main())
