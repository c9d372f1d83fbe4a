"""The commands of `floe semantic` that have Cube get another bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from floe_cli.commands.semantic import options
from floe_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from floe_cli.semantic.sync_waiting import Synced
    from floe_contracts.requests import Operation
    from floe_contracts.semantic_requests import BundleOffered

_SECONDS: Final = 60.0
_wait = click.option(
    "--wait",
    "seconds",
    type=click.FloatRange(0),
    default=_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="Wait so long until Cube serves it; 0 only offers it.",
)


@click.command()
@options.path
@click.option("--to", metavar="BUNDLE", default="previous", show_default=True, help="Its digest, or the start of one.")
@_wait
@options.product
@options.environment
@options.as_json
def rollback(path: Path, to: str, seconds: float, product: str | None, environment: str | None, as_json: bool) -> int:
    """Have Cube serve a former bundle. Newer artifacts are rendered and wait, until floe semantic sync.

    The exit code is 3 where Cube refuses it, and 4 where no Cube runs.
    """
    from floe_contracts.semantic_requests import ROLL_BACK_BUNDLE

    return _offer(path, environment, product, ROLL_BACK_BUNDLE, {"to": to}, seconds, as_json=as_json)


@click.command()
@options.path
@_wait
@options.product
@options.environment
@options.as_json
def sync(path: Path, seconds: float, product: str | None, environment: str | None, as_json: bool) -> int:
    """Render the newest artifact again and offer it to Cube; a rollback ends with it.

    The exit code is 3 where Cube refuses it, and 4 where no Cube runs.
    """
    from floe_contracts.semantic_requests import SYNC_BUNDLE

    return _offer(path, environment, product, SYNC_BUNDLE, {}, seconds, as_json=as_json)


def _offer(
    path: Path,
    environment: str | None,
    product: str | None,
    operation: Operation[Any, BundleOffered],
    details: dict[str, str],
    seconds: float,
    *,
    as_json: bool,
) -> ExitCode:
    import asyncio

    from floe_cli.semantic.asking import semantic_of
    from floe_cli.semantic.sync_waiting import until_synced

    async def main() -> tuple[BundleOffered, Synced | None]:
        async with semantic_of(path, environment) as semantic:
            wanted = (await semantic.product(product)).product
            request = operation.request(product=wanted, requester="floe", **details)
            offer = await semantic.ask(operation, request)
            if not as_json:
                _say_offer(offer)
            return offer, await until_synced(semantic, offer, seconds) if seconds else None

    return _report(*asyncio.run(main()), as_json=as_json)


def _say_offer(offer: BundleOffered) -> None:
    from floe_contracts.digests import short

    digest = short(offer.offered.bundle_digest)
    click.echo(f"offered  {digest}" if offer.changed else f"offered  {digest}, as before")


def _report(offer: BundleOffered, synced: Synced | None, *, as_json: bool) -> ExitCode:
    import json

    from floe_cli.show_problems import show_problems
    from floe_contracts.digests import short

    if as_json:
        document = offer.model_dump(mode="json") | {
            "outcome": synced.outcome if synced else None,
            "problems": [problem.model_dump(exclude_none=True) for problem in synced.product.problems]
            if synced
            else [],
        }
        click.echo(json.dumps(document))
    if synced is None or synced.outcome == "served":
        if synced is not None and not as_json:
            click.echo(f"served   by {', '.join(cube.instance for cube in synced.product.instances)}")
        return ExitCode.OK
    if not as_json:
        kept = synced.product.served
        click.echo(f"{synced.outcome}; Cube serves {short(kept.bundle_digest) if kept else 'nothing'}")
        show_problems(synced.product.problems)
    return ExitCode.RUN_FAILED
