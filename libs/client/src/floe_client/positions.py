"""Where a reader begins.

A consumer that JetStream makes may begin at a time. The one of an external subscriber is there already, and can only be
set to a number of the stream; which number a time has is found by halving, as times grow with the numbers.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeout

from floe_client.consumers import STREAM, Asking, Consumer, Standing, standing, written_time
from floe_client.errors import ConsumerGone
from floe_client.events import stored_at
from floe_contracts.errors import Unreachable

Since: TypeAlias = datetime | Literal["beginning", "now"]
"""The first event: the oldest that is stored, the next one, or the first that was stored at that time or later."""

_SECONDS: Final = 5.0
_TRIES: Final = 20
_PAUSE_SECONDS: Final = 0.05


def starting(since: Since) -> dict[str, Any]:
    """Where a consumer that is made now begins, in the API's terms."""
    if isinstance(since, datetime):
        return {"deliver_policy": "by_start_time", "opt_start_time": written_time(since)}
    return {"deliver_policy": "all" if since == "beginning" else "new"}


async def begin(client: Client, asking: Asking, consumer: Consumer, where: Standing, since: Since) -> None:
    """Set a consumer that is there already to its first event, unless somebody has read with it.

    A time is set again as long as nothing was acknowledged: a reader that ends while the number is looked for leaves
    the consumer anywhere. "now" is set once, in one step, so that the next start passes over nothing that came since;
    only as long as nothing at all was there to read is there nothing to remember it by.
    """
    if where.unacknowledged if isinstance(since, datetime) else where.untouched and since == "now":
        await set_back(client, asking, consumer, where, since)


async def set_back(client: Client, asking: Asking, consumer: Consumer, where: Standing, since: Since) -> None:
    """Set a consumer to the first event of `since`, whatever it has read.

    Raises:
        ConsumerGone: it is not there any more.
        NotAllowed, Unreachable: as `Asking.answer` does.
    """
    last = 0 if since == "beginning" else await _last(asking, consumer, where.filter)
    if since == "beginning" or last == 0:
        await _settle(asking, consumer, 1)
    elif since == "now":
        await _settle(asking, consumer, last + 1)
    elif isinstance(since, datetime):
        await _settle(asking, consumer, await _first_since(client, asking, consumer, since, last))


async def _first_since(client: Client, asking: Asking, consumer: Consumer, since: datetime, last: int) -> int:
    """The smallest number from which on no event is older than `since`."""
    low, high = 1, last + 1
    while low < high:
        middle = (low + high) // 2
        await _reset(asking, consumer, middle)
        found = await _next(client, consumer)
        if found is None or found[1] >= since.astimezone(UTC):
            high = middle
        else:
            low = found[0] + 1
    return low


async def _next(client: Client, consumer: Consumer) -> tuple[int, datetime] | None:
    """Number and time of the event that the consumer hands out next; None if there is none."""
    inbox = client.new_inbox()
    answers = await client.subscribe(inbox)
    try:
        await client.publish(consumer.call("MSG.NEXT"), json.dumps({"batch": 1, "no_wait": True}).encode(), reply=inbox)
        message = await answers.next_msg(timeout=_SECONDS)
    except NatsTimeout as error:
        raise Unreachable(f"the consumer {consumer.name!r} does not answer") from error
    finally:
        await answers.unsubscribe()
    if not message.reply:
        return None
    return message.metadata.sequence.stream, stored_at(message)


async def _last(asking: Asking, consumer: Consumer, pattern: str) -> int:
    """The number of the last event of those that the consumer reads; 0 if there is none."""
    found = await asking.answer(f"{consumer.api}.DIRECT.GET.{STREAM}.{pattern}")
    return int((found.headers or {}).get("Nats-Sequence", "0"))


async def _settle(asking: Asking, consumer: Consumer, sequence: int) -> None:
    """Set the consumer to a number, and look whether it stands there.

    nats-server 2.15 may note an event that it has just handed out after the reset, and stand behind it when it starts
    again.
    """
    for _ in range(_TRIES):
        await _reset(asking, consumer, sequence)
        if (await standing(asking, consumer)).floor == sequence - 1:
            return
        await asyncio.sleep(_PAUSE_SECONDS)
    raise Unreachable(f"the consumer {consumer.name!r} does not keep its place", hint="is somebody reading with it?")


async def _reset(asking: Asking, consumer: Consumer, sequence: int) -> None:
    if await asking.document(consumer.call("RESET"), {"seq": sequence}) is None:
        raise ConsumerGone(f"the stream {STREAM} has no consumer {consumer.name!r}", hint=consumer.hint)
