"""Dead letters: what is published when a message cannot be handled, by the chassis itself or from an advisory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from floe_chassis.bus import Bus, message_size
from floe_chassis.topology import DEAD_LETTERS
from floe_contracts import subjects
from floe_contracts.errors import ContractError, FloeError, Unreachable
from floe_contracts.openlineage.envelope import REPLAY_HEADER
from floe_contracts.subscribers import is_subscribers

if TYPE_CHECKING:
    from floe_chassis.delivery import RawMessage
    from floe_chassis.service import Service

REPLAY_FOR: Final = REPLAY_HEADER
"""Header of a message that was a dead letter: the consumer that gets it again. Others pass over it."""
_PREFIX: Final = "Floe-Dlq-"
_REASON_LIMIT: Final = 2000
_OWN_STREAMS: Final = "FLOE_"

_log = structlog.get_logger("floe.dead_letters")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that a consumer gave up, and why.

    Attributes:
        subject: where the message was published.
        sequence: its number in `stream`.
        deliveries: how often it was delivered; 0 if nobody knows.
        reason: the error as text; `max_deliver` or `terminated` where only the server's advisory tells.
        code: of the `FloeError`, or the name of another exception.
        headers: of the message, without those that steer the server.
        complete: whether `body` is the message's; false if it was too large to copy or is no longer in the stream.
    """

    subject: str
    stream: str
    sequence: int
    consumer: str
    deliveries: int
    reason: str
    code: str
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True

    @property
    def id(self) -> str:
        """The message id: one dead letter for a message and consumer, whoever tells of it and however often."""
        return f"{self.stream}-{self.consumer}-{self.sequence}"


async def bury(bus: Bus, letter: DeadLetter, *, occasion: str | None = None) -> None:
    """Publish a dead letter. Raises what `Bus.publish_raw` raises.

    Args:
        bus: connected.
        letter: what was given up.
        occasion: why the message was handed out again on purpose, if it was. The one letter for the message and the
            consumer may have been dropped since, and is then stored once more for this occasion.
    """
    headers = dict(_harmless(letter.headers))
    headers |= {
        f"{_PREFIX}Subject": letter.subject,
        f"{_PREFIX}Stream": letter.stream,
        f"{_PREFIX}Sequence": str(letter.sequence),
        f"{_PREFIX}Consumer": letter.consumer,
        f"{_PREFIX}Deliveries": str(letter.deliveries),
        f"{_PREFIX}Reason": _printable(letter.reason[:_REASON_LIMIT]),
        f"{_PREFIX}Code": letter.code,
    }
    body = letter.body
    if not letter.complete or message_size(headers, body) > bus.size_limit():
        headers[f"{_PREFIX}Incomplete"] = "true"
        body = b""
    subject = subjects.dead_letter(letter.stream, letter.consumer)
    # The server tells of it, too; under this id that is no second letter.
    stored = await bus.publish_raw(subject, body, headers, letter.id)
    if stored.duplicate and occasion is not None:
        await bus.publish_raw(subject, body, headers, f"{letter.id}-{occasion}")
    bus.telemetry.dead_letter(letter.subject, letter.consumer, letter.code)
    _log.error(
        "dead.letter", subject=letter.subject, consumer=letter.consumer, sequence=letter.sequence, reason=letter.reason
    )


def read_dead_letter(headers: Mapping[str, str], body: bytes) -> DeadLetter:
    """Read what `bury` published.

    Raises:
        ContractError: not a dead letter.
    """
    try:
        return DeadLetter(
            subject=headers[f"{_PREFIX}Subject"],
            stream=headers[f"{_PREFIX}Stream"],
            sequence=int(headers[f"{_PREFIX}Sequence"]),
            consumer=headers[f"{_PREFIX}Consumer"],
            deliveries=int(headers[f"{_PREFIX}Deliveries"]),
            reason=unquote(headers[f"{_PREFIX}Reason"]),
            code=headers[f"{_PREFIX}Code"],
            headers={name: value for name, value in _harmless(headers).items() if not name.startswith(_PREFIX)},
            body=body,
            complete=f"{_PREFIX}Incomplete" not in headers,
        )
    except (KeyError, ValueError) as error:
        raise ContractError(f"not a dead letter: {error}") from error


def is_for(headers: Mapping[str, str] | None, consumer: str) -> bool:
    """Whether a consumer handles a message: all that nobody else gets again."""
    return (headers or {}).get(REPLAY_FOR, consumer) == consumer


def watch_advisories(service: Service) -> None:
    """Let `service` turn the server's advisories into dead letters.

    It catches what the chassis cannot tell of itself: a worker that died in the last delivery of a message.
    """

    async def on_advisory(message: RawMessage) -> None:
        stream, consumer, sequence = _place(message.body)
        # Our own consumer's dead letters come from the delivery alone: an advisory about an advisory would go round.
        # What a stranger gives up is no letter of ours: it could fill the box.
        if not stream.startswith(_OWN_STREAMS) or consumer == DEAD_LETTERS or is_subscribers(consumer):
            return
        await bury(service.bus, await _from_advisory(service.bus, message.body, stream, consumer, sequence))

    service.subscribe_raw(DEAD_LETTERS, on_advisory)


async def _from_advisory(bus: Bus, advisory: bytes, stream: str, consumer: str, sequence: int) -> DeadLetter:
    told = json.loads(advisory)
    try:
        original = await bus.js.get_msg(stream, sequence)
    except NotFoundError:
        original = None
    except (NatsError, OSError, TimeoutError) as error:
        raise Unreachable(f"message {sequence} of {stream} cannot be fetched: {error}") from error
    kind = str(told.get("type", "")).rsplit(".", 1)[-1]
    return DeadLetter(
        subject=(original.subject or "") if original else "",
        stream=stream,
        sequence=sequence,
        consumer=consumer,
        deliveries=int(told.get("deliveries") or 0),
        reason=str(told.get("reason") or kind),
        code=kind,
        headers=(original.headers or {}) if original else {},
        body=(original.data or b"") if original else b"",
        complete=original is not None,
    )


def code_of(error: BaseException) -> str:
    """The code under which an error is counted and searched for."""
    return error.code if isinstance(error, FloeError) else type(error).__name__


def _place(advisory: bytes) -> tuple[str, str, int]:
    try:
        told = json.loads(advisory)
        return str(told["stream"]), str(told["consumer"]), int(told["stream_seq"])
    except (ValueError, KeyError, TypeError) as error:
        raise ContractError(f"not an advisory of the server: {error!r}") from error


def _harmless(headers: Mapping[str, str]) -> Mapping[str, str]:
    # A copied Nats-Expected-* is refused, a copied Nats-Rollup would purge, and the message id is the letter's own.
    return {name: value for name, value in headers.items() if not name.lower().startswith("nats-")}


def _printable(text: str) -> str:
    return quote(text, safe=" !#$&'()*+,/:;=?@[]{}<>|\\^`~\"")
