"""Taking lineage in: read the body, check each event, store it, say what became of it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from floe_contracts.errors import Permanent, Transient, Where
from floe_contracts.openlineage.core_check import CoreProblem, check_core
from floe_contracts.openlineage.envelope import (
    FACET_ERRORS_HEADER,
    content_id,
    message_headers,
    message_subject,
    read_envelope,
)
from floe_contracts.openlineage.naming import foreign_place
from floe_gateway.core.lineage_reception import NotNow, Outcome, Refused, Stored
from floe_gateway.core.ports import FacetCheck, LineagePublisher
from floe_gateway.core.producers import Producer
from floe_gateway.errors import LineageBodyInvalid, LineageTooLarge, RequestTooSlow

EVENT_BYTES: Final = 900_000
"""An event of more does not fit through the bus with its headers."""
BODY_BYTES: Final = 32 * 1024 * 1024
_GZIP: Final = 31
_AT_ONCE: Final = 64
_PIECE: Final = 256 * 1024
_EVENTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_VALUE: Final = msgspec.json.Decoder()
_TOO_LARGE: Final = CoreProblem("", f"has more than {EVENT_BYTES} bytes")


@dataclass(frozen=True, slots=True)
class Reception:
    """What events need on their way."""

    tenant: str
    publisher: LineagePublisher
    check_facets: FacetCheck
    body_seconds: float


@dataclass(frozen=True, slots=True)
class _Letter:
    """A checked event, as it is published."""

    subject: str
    headers: Mapping[str, str]
    id: str
    body: bytes
    facet_problems: tuple[CoreProblem, ...]


async def read_body(chunks: AsyncIterator[bytes], encoding: str | None, seconds: float) -> bytes:
    """The body of a request, unpacked as it comes in.

    Args:
        chunks: as they come.
        encoding: the header Content-Encoding; gzip, identity or None.
        seconds: how long it may take to arrive.

    Raises:
        LineageTooLarge: it has more than `BODY_BYTES`.
        LineageBodyInvalid: another encoding, or no gzip stream.
        RequestTooSlow: it did not arrive in time.
    """
    named = (encoding or "identity").strip().lower()
    if named not in ("identity", "gzip"):
        raise LineageBodyInvalid(f"the body is encoded as {named!r}", hint="send it plain or gzipped")
    inflater = zlib.decompressobj(_GZIP) if named == "gzip" else None
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in chunks:
                _take(body, chunk, inflater)
    except TimeoutError as error:
        raise RequestTooSlow(f"the body did not arrive within {seconds:g} s") from error
    if inflater is not None and (not inflater.eof or inflater.unused_data):
        raise LineageBodyInvalid("the body is not one whole gzip stream", hint="was the upload interrupted?")
    return bytes(body)


def split_events(body: bytes) -> list[bytes] | None:
    """The events of an array, each with the bytes that it came with; None if the body is a single object.

    Raises:
        LineageBodyInvalid: the body is no JSON array or object.
    """
    if body.lstrip()[:1] == b"{":
        return None
    try:
        return [bytes(event) for event in _EVENTS.decode(body)]
    except msgspec.DecodeError as error:
        raise LineageBodyInvalid(
            f"the body is not JSON: {error}", hint="send one event, or an array of them"
        ) from error


async def receive(reception: Reception, producer: Producer, events: Sequence[bytes]) -> list[Outcome]:
    """Check and store events, in their order.

    Once one cannot be stored, those after it are not tried: they come again with it, and stay behind it.
    """
    checked = [_checked(reception, producer, body) for body in events]
    outcomes: list[Outcome] = []
    for start in range(0, len(checked), _AT_ONCE):
        if any(isinstance(outcome, NotNow) for outcome in outcomes):
            outcomes += [
                each if isinstance(each, Refused) else NotNow("an event before it could not be stored")
                for each in checked[start:]
            ]
            break
        outcomes += await asyncio.gather(*(_stored(reception, each) for each in checked[start : start + _AT_ONCE]))
    return outcomes


async def _stored(reception: Reception, letter: _Letter | Refused) -> Outcome:
    if isinstance(letter, Refused):
        return letter
    try:
        duplicate = await reception.publisher.store(letter.subject, letter.body, letter.headers, letter.id)
    except Transient as error:
        return NotNow(str(error))
    except Permanent as error:
        return Refused((CoreProblem("", str(error)),))
    return Stored(letter.id, duplicate, letter.facet_problems)


def _checked(reception: Reception, producer: Producer, body: bytes) -> _Letter | Refused:
    if len(body) > EVENT_BYTES:
        return Refused((_TOO_LARGE,), too_large=True)
    try:
        event: Any = _VALUE.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        return Refused((CoreProblem("", f"is not JSON: {error}"),))
    if problems := check_core(event):
        return Refused(problems)
    facet_problems = reception.check_facets(event)
    envelope = read_envelope(event)
    headers = message_headers(envelope)
    if facet_problems:
        headers[FACET_ERRORS_HEADER] = str(len(facet_problems))
    place = foreign_place(reception.tenant, producer.environment, producer.name)
    return _Letter(message_subject(envelope, place), headers, content_id(envelope, body), body, facet_problems)


def _take(body: bytearray, chunk: bytes, inflater: Any) -> None:
    while chunk:
        if inflater is None:
            piece, chunk = chunk, b""
        else:
            try:
                piece = inflater.decompress(chunk, _PIECE)
            except zlib.error as error:
                raise LineageBodyInvalid(f"the body is not gzip: {error}", hint="leave Content-Encoding out") from error
            chunk = b"" if inflater.eof else inflater.unconsumed_tail
        body += piece
        if len(body) > BODY_BYTES:
            raise LineageTooLarge(f"the body has more than {BODY_BYTES} bytes", hint="send fewer events at once")


def refusal(refused: Refused) -> LineageBodyInvalid | LineageTooLarge:
    """The error that answers a single event that is refused."""
    if refused.too_large:
        return LineageTooLarge(f"the event has more than {EVENT_BYTES} bytes", hint="leave its largest facets out")
    first = refused.problems[0]
    message = "; ".join(f"{problem.pointer or 'the event'} {problem.message}" for problem in refused.problems)
    return LineageBodyInvalid(message, where=Where(path=first.pointer or "/"), hint="see OpenLineage 2.0.2")
