"""The group of commands of `floe`, their exit codes, and how errors are shown."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Final

import click

from floe_cli.exit_codes import ExitCode

_COMMANDS: Final = {
    "init": ("floe_cli.commands.init:init", "Write a new product that runs."),
    "validate": ("floe_cli.commands.validate:validate", "Check floe.yaml and platform.yaml of a product."),
    "migrate": ("floe_cli.commands.migrate:migrate", "Write documents of an older form in the canonical one."),
    "explain": ("floe_cli.commands.explain:explain", "Say what holds for a field, and where it comes from."),
    "compile": ("floe_cli.commands.compile:compile_", "Compile a product into its artifact, and show it."),
    "plan": ("floe_cli.commands.plan:plan", "Tell what changes would build, and whom they would break."),
    "profiles": ("floe_cli.commands.profiles:profiles", "Print the dbt profiles that floe generates for a product."),
    "run": ("floe_cli.commands.run:run", "Compile, build, land, trace and render a product, live."),
    "up": ("floe_cli.commands.up:up", "Keep the embedded stack of a folder running."),
    "serve": ("floe_cli.commands.serve:serve", "Run one service by itself."),
    "publish": ("floe_cli.commands.publish:publish", "Publish a product's spec, and go."),
    "runs": ("floe_cli.commands.runs:runs", "Look at runs, ask for them, and end them."),
    "products": ("floe_cli.commands.products:products", "Show what is live, and what starts its runs."),
    "status": ("floe_cli.commands.status:status", "Show what is live, and the last run, of each product."),
    "catalog": ("floe_cli.commands.catalog.group:catalog", "Look into the catalog, read tables as they were."),
    "mcp": ("floe_cli.commands.mcp:mcp", "Serve numbers to programs by the Model Context Protocol."),
    "trace": ("floe_cli.commands.trace:trace", "Show and verify the chain that an id belongs to."),
    "lineage": ("floe_cli.commands.lineage.group:lineage", "Read the lineage stream, and what is made of it."),
    "semantic": ("floe_cli.commands.semantic.group:semantic", "What Cube is to serve, and whether it does."),
    "dlq": ("floe_cli.commands.dlq:dlq", "Dead letters: look at them, replay them, drop them."),
    "schema": ("floe_cli.commands.schema:schema", "JSON Schemas of documents, artifact and events."),
    "topology": ("floe_cli.commands.topology:topology", "Streams, consumers and buckets of the bus."),
}


class LazyGroup(click.Group):
    """A group that knows the names and one-line helps of its commands, and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from floe_contracts.suggestions import did_you_mean

            hint = did_you_mean(args[0], _COMMANDS)
            if hint:
                raise click.UsageError(f"{error.message} {hint.capitalize()}", ctx) from error
            raise


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="floe-cli", prog_name="floe")
def floe() -> None:
    """A data platform runtime: from floe.yaml and a dbt project to governed, traced tables."""


def run_command(arguments: list[str] | None = None) -> int:
    """Run `floe` to its end, and say the exit code that DESIGN section 8 gives to the outcome.

    Args:
        arguments: what was typed after `floe`; None for what this process was started with.
    """
    try:
        result: Any = floe.main(args=arguments, prog_name="floe", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return ExitCode.WRONG_USAGE
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return ExitCode.WRONG_USAGE
    except BrokenPipeError:  # whoever read the output has had enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001  # whatever it is, a person gets a message
        from floe_cli.show_problems import show_error, show_unexpected
        from floe_contracts.errors import FloeError

        return show_error(error) if isinstance(error, FloeError) else show_unexpected(error)
    return int(result) if isinstance(result, int) else ExitCode.OK
