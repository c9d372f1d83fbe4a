"""The page of the command line."""

from __future__ import annotations

import inspect

import click

from floe_cli.exit_codes import ExitCode
from floe_cli.main import floe
from reference_generator.tables import code, table

_WIDTH = 110


def command_line() -> str:
    """Every command with its usage, its help, and its options."""
    text = "# The command line\n" + _command(floe, click.Context(floe, info_name="floe", terminal_width=_WIDTH))
    text += "\n## Exit codes\n\n"
    return text + table(
        ("code", "meaning"), ((str(int(exit_code)), exit_code.name.lower().replace("_", " ")) for exit_code in ExitCode)
    )


def _command(command: click.Command, context: click.Context) -> str:
    usage = command.get_usage(context).removeprefix("Usage: ")
    paragraphs = inspect.cleandoc(command.help or "").replace("\b\n", "")
    text = f"\n## {context.command_path}\n\n{paragraphs}\n\n```\n{usage}\n```\n"
    options = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    if options:
        text += "\n" + table(("option", "meaning"), ((code(names), meaning) for names, meaning in options))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                text += _command(child, click.Context(child, parent=context, info_name=name, terminal_width=_WIDTH))
    return text
