"""`floe dlq`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from floe_chassis.bus import Bus
    from floe_chassis.dead_letter_box import KeptLetter


@click.group()
def dlq() -> None:
    """Dead letters: messages that a consumer gave up, with the reason.

    They are kept for 30 days. Replaying and dropping change the bus: on one with identities, they are the operator's
    (FLOE_NATS_SEED_FILE).
    """


@dlq.command(name="list")
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--consumer", help="Only of this consumer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_letters(path: Path, consumer: str | None, as_json: bool) -> None:
    """Show the dead letters, oldest first."""
    import asyncio
    import json

    from floe_cli.dead_letter_views import letter_document, letters_table
    from floe_cli.run_views import table_console
    from floe_cli.stack.connection import reading

    async def main() -> list[KeptLetter]:
        async with reading(path) as connection:
            return await _letters(connection.bus, consumer)

    letters = asyncio.run(main())
    if as_json:
        click.echo(json.dumps({"letters": [letter_document(kept, with_body=False) for kept in letters]}))
    elif letters:
        table_console().print(letters_table(letters))
    else:
        click.echo("there are no dead letters" + (f" of {consumer}" if consumer else ""))


@dlq.command()
@click.argument("number", type=click.IntRange(min=1))
@click.argument("path", type=click.Path(path_type=Path), default=".")
def show(number: int, path: Path) -> None:
    """Show one dead letter with its headers and its message, as JSON."""
    import asyncio
    import json

    from floe_chassis.dead_letter_box import kept_letter
    from floe_cli.dead_letter_views import letter_document
    from floe_cli.stack.connection import reading

    async def main() -> KeptLetter:
        async with reading(path) as connection:
            return await kept_letter(connection.bus, number)

    click.echo(json.dumps(letter_document(asyncio.run(main()), with_body=True), indent=2, ensure_ascii=False))


_chosen = [
    click.argument("path", type=click.Path(path_type=Path), default="."),
    click.option("--number", "-n", "numbers", type=click.IntRange(min=1), multiple=True, help="This one; repeatable."),
    click.option("--consumer", help="All of this consumer."),
    click.option("--all", "everything", is_flag=True, help="All that there are."),
    click.option("--dry-run", is_flag=True, help="Only say which."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
]


def _with_choice(command: Callable[..., None]) -> Callable[..., None]:
    for decorate in reversed(_chosen):
        command = decorate(command)
    return command


@dlq.command()
@_with_choice
def replay(
    path: Path, numbers: tuple[int, ...], consumer: str | None, everything: bool, dry_run: bool, as_json: bool
) -> None:
    """Give messages back to the consumers that gave them up, and to nobody else of floe."""
    from floe_chassis import dead_letter_box

    _change(path, numbers, consumer, everything, dry_run, as_json, "replayed", dead_letter_box.replay)


@dlq.command()
@_with_choice
def drop(
    path: Path, numbers: tuple[int, ...], consumer: str | None, everything: bool, dry_run: bool, as_json: bool
) -> None:
    """Delete dead letters, and with them the messages."""
    from floe_chassis import dead_letter_box

    async def by_number(bus: Bus, kept: KeptLetter) -> None:
        await dead_letter_box.drop(bus, kept.sequence)

    _change(path, numbers, consumer, everything, dry_run, as_json, "dropped", by_number)


def _change(
    path: Path,
    numbers: tuple[int, ...],
    consumer: str | None,
    everything: bool,
    dry_run: bool,
    as_json: bool,
    done: str,
    change: Callable[[Bus, KeptLetter], Awaitable[None]],
) -> None:
    import asyncio
    import json

    from floe_chassis.dead_letter_box import kept_letter
    from floe_cli.dead_letter_views import letter_document
    from floe_cli.stack.connection import connected, needed
    from floe_contracts.errors import WrongUsage

    if sum((bool(numbers), consumer is not None, everything)) != 1:
        raise WrongUsage("say which dead letters", hint="one of --number, --consumer and --all")

    async def main() -> list[KeptLetter]:
        async with connected(needed(path)) as connection:
            bus = connection.bus
            found = [await kept_letter(bus, each) for each in numbers] if numbers else await _letters(bus, consumer)
            for kept in found if not dry_run else ():
                await change(bus, kept)
                if not as_json:
                    click.echo(f"{done} {kept.sequence}  {kept.letter.consumer}  {kept.letter.subject}")
            return found

    found = asyncio.run(main())
    if as_json:
        documents = [letter_document(kept, with_body=False) for kept in found]
        click.echo(json.dumps({"dry_run": dry_run, done: documents}))
    elif dry_run:
        for kept in found:
            click.echo(f"would be {done}: {kept.sequence}  {kept.letter.consumer}  {kept.letter.subject}")
    if not found and not as_json:
        click.echo("there are no dead letters")


async def _letters(bus: Bus, consumer: str | None) -> list[KeptLetter]:
    from floe_chassis.dead_letter_box import kept_letters

    return [kept async for kept in kept_letters(bus) if consumer in (None, kept.letter.consumer)]
