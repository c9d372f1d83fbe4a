"""The parts of one answer, as a service sends them: numbered, with signs of life, never far ahead of the asker."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Final

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from floe_chassis.bus import Bus
from floe_chassis.errors import AskerGone
from floe_chassis.requests import NUMBER, PART, Part, Progress, Taken
from floe_contracts import subjects
from floe_contracts.errors import ContractError, Unreachable

_HEADER_ROOM: Final = 512
_LOOKS: Final = 10
"""How often in a beat it is looked whether there is progress to tell."""


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """What bounds the answers of a service.

    Attributes:
        at_once: requests that are worked on at the same time.
        waiting: requests beyond them that wait; more are refused.
        piece_bytes: size of a piece of data, where the server takes as much.
        pieces_ahead: pieces that may be under way before the asker has taken them.
        beat_seconds: how often a sign of life is given.
        asker_silence: seconds without a sign of the asker, while its data waits, after which it counts as gone.
    """

    at_once: int = 8
    waiting: int = 64
    piece_bytes: int = 256 * 1024
    pieces_ahead: int = 8
    beat_seconds: float = 2.0
    asker_silence: float = 20.0


class Parts:
    """Sends the parts of one answer.

    Attributes:
        progress: the last that is known; told at the next look, if it is new.
    """

    def __init__(self, bus: Bus, service: str, reply: str, limits: AnswerLimits) -> None:
        self.progress: Progress | None = None
        self._bus = bus
        self._reply = reply
        self._flow = subjects.flow(service, subjects.unescape(reply.rsplit(".", 1)[1]))
        self._limits = limits
        self._number = 0
        self._pieces = 0
        self._taken = Taken(parts=0)
        self._heard = asyncio.Event()
        self._flowing: Subscription | None = None

    async def send(self, kind: Part, body: bytes = b"", reply: str = "") -> None:
        """Send one part.

        Raises:
            Unreachable: the bus is away.
        """
        if not self._bus.connected:
            raise Unreachable(f"the bus at {self._bus.address} is not connected")
        self._number += 1
        headers = {PART: kind.value, NUMBER: str(self._number)}
        try:
            await self._bus.nc.publish(self._reply, body, reply=reply, headers=headers)
        except (NatsError, OSError) as error:
            raise Unreachable(f"the answer cannot be sent: {error}") from error

    async def send_pieces(self, kind: Part, data: bytes) -> None:
        """Send data, never more than a few pieces ahead of the asker.

        Raises:
            AskerGone: it says that it takes no more, or says nothing at all.
            Unreachable: the bus is away.
        """
        if self._flowing is None:
            self._flowing = await self._bus.nc.subscribe(self._flow, cb=self._on_taken)
        for piece in self._cut(data):
            while self._pieces - self._taken.parts >= self._limits.pieces_ahead:
                await self._hear()
            if self._taken.gone:
                raise AskerGone("the asker has gone away")
            self._pieces += 1
            await self.send(kind, piece, reply=self._flow)

    async def send_answer(self, body: bytes) -> None:
        """Send the answer, in as many parts as it takes; raises what `send_pieces` raises."""
        *pieces, last = self._cut(body)
        for piece in pieces:
            await self.send_pieces(Part.ANSWER_PIECE, piece)
        await self.send(Part.ANSWER, last)

    async def beat(self) -> None:
        """Give signs of life, and tell of progress, until cancelled."""
        told: Progress | None = None
        quiet = 0
        while True:
            await asyncio.sleep(self._limits.beat_seconds / _LOOKS)
            quiet += 1
            progress = self.progress
            # What cannot be sent now is said at the next beat; the work itself does not suffer from it.
            with contextlib.suppress(Unreachable):
                if progress is not None and progress is not told:
                    await self.send(Part.PROGRESS, progress.model_dump_json().encode())
                    told, quiet = progress, 0
                elif quiet >= _LOOKS:
                    await self.send(Part.ALIVE)
                    quiet = 0

    async def close(self) -> None:
        """Listen no longer."""
        if self._flowing is not None:
            with contextlib.suppress(NatsError, OSError):
                await self._flowing.unsubscribe()

    def _cut(self, data: bytes) -> list[bytes]:
        size = max(1, min(self._limits.piece_bytes, self._bus.size_limit() - _HEADER_ROOM))
        return [data[start : start + size] for start in range(0, len(data), size)] or [b""]

    async def _hear(self) -> None:
        self._heard.clear()
        if self._taken.gone:
            raise AskerGone("the asker has gone away")
        try:
            async with asyncio.timeout(self._limits.asker_silence):
                await self._heard.wait()
        except TimeoutError as error:
            raise AskerGone(f"the asker has not been heard of for {self._limits.asker_silence:g} s") from error

    async def _on_taken(self, message: Msg) -> None:
        with contextlib.suppress(ContractError, ValueError):
            taken = Taken.read(json.loads(message.data))
            if self._taken.parts <= taken.parts <= self._pieces:
                self._taken = taken
                self._heard.set()
