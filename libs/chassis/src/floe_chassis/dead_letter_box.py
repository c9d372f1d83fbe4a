"""The dead letters that are kept: looking at them, giving one back to the consumer that gave it up, dropping one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from nats.errors import Error as NatsError
from nats.js.errors import APIError

from floe_chassis.bus import Bus
from floe_chassis.dead_letters import REPLAY_FOR, DeadLetter, read_dead_letter
from floe_chassis.errors import BusForbidden, LetterIncomplete, LetterMissing
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import DLQ
from floe_contracts.errors import ContractError, Unreachable
from floe_contracts.subjects import ROOT

_NO_MESSAGE: Final = 10057


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A dead letter on its stream."""

    sequence: int
    """Its number among the dead letters."""
    at: datetime
    """When the message was given up."""
    letter: DeadLetter


async def kept_letters(bus: Bus) -> AsyncIterator[KeptLetter]:
    """All dead letters, oldest first; what is none, and stands there all the same, is left out."""
    async for message in read_stream(bus.js, DLQ, f"{ROOT}.dlq.>"):
        metadata = message.metadata
        try:
            letter = read_dead_letter(message.headers or {}, message.data)
        except ContractError:
            continue
        yield KeptLetter(metadata.sequence.stream, metadata.timestamp.astimezone(UTC), letter)


async def kept_letter(bus: Bus, sequence: int) -> KeptLetter:
    """The dead letter of that number.

    Raises:
        LetterMissing: there is none, or no longer.
    """
    # Found by reading on: who may look at the letters need not have the right to ask for single messages.
    async for kept in kept_letters(bus):
        if kept.sequence == sequence:
            return kept
    raise LetterMissing(f"there is no dead letter {sequence}", hint="floe dlq list shows them")


async def replay(bus: Bus, kept: KeptLetter) -> None:
    """Publish the message again where it was, for its consumer alone, and drop the letter.

    Who else reads the stream sees the message once more, with the header `Floe-Replay-For`; floe's own consumers pass
    over what is meant for another one. A replay that is broken off may be repeated: its message is stored once.

    Raises:
        LetterIncomplete: the letter has not the whole message.
        BusForbidden: this identity may not publish there.
        PublishRefused: the stream refuses the message.
        Unreachable: the bus does not answer.
    """
    letter = kept.letter
    if not letter.complete:
        raise LetterIncomplete(
            f"the dead letter {kept.sequence} has not the whole message",
            hint=f"it was message {letter.sequence} of {letter.stream}; have it published again where it came from",
        )
    headers = {**letter.headers, REPLAY_FOR: letter.consumer}
    await bus.publish_raw(letter.subject, letter.body, headers, f"replay:{kept.sequence}:{letter.id}")
    await drop(bus, kept.sequence)


async def drop(bus: Bus, sequence: int) -> None:
    """Delete a dead letter; one that is gone already is no mistake.

    Raises:
        BusForbidden: this identity may not delete dead letters.
        Unreachable: the bus does not answer.
    """
    try:
        await bus.js.delete_msg(DLQ, sequence)
    except (NatsError, OSError, TimeoutError) as error:
        if isinstance(error, APIError) and error.err_code == _NO_MESSAGE:
            return
        if any("msg.delete" in refusal.lower() for refusal in bus.forbidden):
            raise BusForbidden(
                "this identity may not delete dead letters", hint="use the operator's seed: FLOE_NATS_SEED_FILE"
            ) from error
        raise Unreachable(f"the dead letter {sequence} cannot be deleted: {error}") from error
