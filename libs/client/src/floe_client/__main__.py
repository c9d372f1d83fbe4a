"""`python -m floe_client`: the lineage stream as lines of JSON, for a shell."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence
from datetime import datetime

from floe_client.connection import connect
from floe_client.events import LineageEvent
from floe_client.positions import Since
from floe_contracts.errors import ContractError, FloeError


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one line an event, until interrupted; an event is acknowledged when its line is written.

    Returns:
        The exit code: 0 interrupted, or as many events as wanted; 1 the bus refuses, or is not there.
    """
    parser = argparse.ArgumentParser(prog="python -m floe_client", description=__doc__)
    parser.add_argument("--url", default="nats://127.0.0.1:4222")
    parser.add_argument("--subscriber", help="the name of an external subscriber")
    parser.add_argument("--seed-file", help="file with the nkey seed")
    parser.add_argument("--ca-file", help="certificate authority of the servers")
    parser.add_argument("--durable", help="name of the position, inside of floe's own account")
    parser.add_argument("--tenant")
    parser.add_argument("--environment")
    parser.add_argument("--product")
    parser.add_argument("--since", type=_since, default="beginning", help="beginning, now, or a time with its zone")
    parser.add_argument("--count", type=int, help="end after so many events")
    options = parser.parse_args(arguments)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_write(options))
    except (FloeError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _write(options: argparse.Namespace) -> None:
    places = {name: getattr(options, name) for name in ("tenant", "environment", "product")}
    async with connect(
        options.url, subscriber=options.subscriber, seed_file=options.seed_file, ca_file=options.ca_file
    ) as floe:
        async for event in floe.lineage(options.durable, since=options.since, limit=options.count, **places):
            line = {
                "sequence": event.sequence,
                "stored_at": event.stored_at.isoformat(),
                "subject": event.subject,
                "event": _content(event),
            }
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
            sys.stdout.flush()


def _content(event: LineageEvent) -> object:
    try:
        return event.document
    except ContractError:
        return event.body.decode(errors="replace")


def _since(text: str) -> Since:
    if text == "beginning":
        return "beginning"
    if text == "now":
        return "now"
    return datetime.fromisoformat(text)


if __name__ == "__main__":
    sys.exit(main())
