"""Asking a service something over the bus, and taking its answer part by part.

A request goes over core NATS to one instance of the service; nothing of it is stored. The answer comes in numbered
parts to a subject of the asker's own: signs of life, progress, data, and last either the answer or a problem.
The asker tells how much of the data it has taken, and the service keeps only a few parts ahead, so that neither
of them nor the server between them ever holds much of a long answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any, Final, TypeAlias

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from pydantic import Field

from floe_chassis.bus import Bus, message_size
from floe_chassis.bus_telemetry import current_traceparent
from floe_chassis.errors import BusForbidden, MessageTooLarge, RequestFailed, RequestRefused
from floe_contracts import subjects
from floe_contracts.data import Data
from floe_contracts.errors import ContractError, Unreachable
from floe_contracts.requests import AnswerT, Operation, RequestProblem, RequestT

PART: Final = "Floe-Part"
"""The header that says what a part is."""
NUMBER: Final = "Floe-Part-Number"
"""The header that numbers the parts of an answer, from 1."""
SILENCE_SECONDS: Final = 15.0
"""After so long without a sign of life the service counts as gone; it gives one every two seconds."""
_READER_BEAT_SECONDS: Final = 5.0
_NO_RESPONDERS: Final = "503"


class Part(StrEnum):
    """What a part of an answer is."""

    ALIVE = "alive"
    PROGRESS = "progress"
    DATA = "data"
    ANSWER_PIECE = "answer-piece"
    ANSWER = "answer"
    PROBLEM = "problem"


class Progress(Data):
    """How far a service has come with what it was asked."""

    done: int = Field(description="What is done, in bytes, files or tables.")
    total: int = Field(description="What there is to do, in the same.")
    what: str = Field(default="", description="What is being done.")


class Taken(Data):
    """How much of an answer its asker has taken."""

    parts: int = Field(description="Pieces of data and of the answer.")
    gone: bool = Field(default=False, description="Whether it takes no more.")


OnProgress: TypeAlias = Callable[[Progress], object]
OnData: TypeAlias = Callable[[bytes], Awaitable[None] | None]


async def ask(
    bus: Bus,
    operation: Operation[RequestT, AnswerT],
    request: RequestT,
    *,
    tenant: str,
    environment: str,
    on_progress: OnProgress | None = None,
    on_data: OnData | None = None,
    silence: float = SILENCE_SECONDS,
) -> AnswerT:
    """Ask a service, and wait for its answer.

    Args:
        bus: connected; `bus.name` is whom the answer goes to.
        operation: what it is asked.
        request: the details.
        tenant: whose data it is about.
        environment: where.
        on_progress: told how far the service has come.
        on_data: given the data that the answer comes with, in order, as pieces of one stream of bytes; the next piece
            waits until it returns.
        silence: seconds without a sign of life after which the service counts as gone.

    Raises:
        Unreachable: no such service runs, or it fell silent; whether it did what it was asked is not known then.
        BusForbidden: this identity may not ask that.
        MessageTooLarge: the request is over the server's limit.
        RequestRefused: the service says that it cannot be done.
        RequestFailed: the service says that it cannot be done at the moment.
        ContractError: the answer is not one.
    """
    token = uuid.uuid4().hex
    subject = operation.subject(tenant, environment)
    reply = subjects.answer(operation.service, bus.name, token)
    with bus.telemetry.send(subject, token):
        if not bus.connected:
            raise Unreachable(f"the bus at {bus.address} is not connected")
        subscription = await bus.nc.subscribe(reply)
        try:
            await _send(bus, subject, request.model_dump_json().encode(), reply)
            answer = await _Taking(bus, operation.service, subject, on_progress, on_data).take(subscription, silence)
        finally:
            with contextlib.suppress(NatsError, OSError):
                await subscription.unsubscribe()
    return operation.answer.read(answer)


async def _send(bus: Bus, subject: str, body: bytes, reply: str) -> None:
    traceparent = current_traceparent()
    headers = {"traceparent": traceparent} if traceparent else {}
    if (size := message_size(headers, body)) > bus.size_limit():
        raise MessageTooLarge(f"{subject}: {size} bytes, and the bus takes {bus.size_limit()}")
    try:
        await bus.nc.publish(subject, body, reply=reply, headers=headers or None)
        await bus.nc.flush()
    except (NatsError, OSError, TimeoutError) as error:
        raise Unreachable(f"nothing can be asked on {subject}: {error}") from error


class _Taking:
    """Takes the parts of one answer."""

    def __init__(
        self, bus: Bus, service: str, subject: str, on_progress: OnProgress | None, on_data: OnData | None
    ) -> None:
        self._bus = bus
        self._service = service
        self._subject = subject
        self._on_progress = on_progress
        self._on_data = on_data
        self._number = 0
        self._taken = 0
        self._pieces: list[bytes] = []

    async def take(self, subscription: Subscription, silence: float) -> object:
        """The document of the answer."""
        while True:
            message = await self._next(subscription, silence)
            if (kind := self._checked(message)) is None:
                continue
            if kind is Part.PROBLEM:
                problem = RequestProblem.read(_document(message.data))
                raise RequestFailed(problem) if problem.transient else RequestRefused(problem)
            if kind is Part.ANSWER:
                return _document(b"".join([*self._pieces, message.data]))
            if kind is Part.PROGRESS and self._on_progress is not None:
                self._on_progress(Progress.read(_document(message.data)))
            if kind in (Part.DATA, Part.ANSWER_PIECE):
                await self._piece(kind, message)

    async def _next(self, subscription: Subscription, silence: float) -> Msg:
        try:
            message = await subscription.next_msg(timeout=silence)
        except (NatsTimeoutError, TimeoutError) as error:
            self._check_permission()
            raise Unreachable(
                f"the {self._service} service has not been heard of for {silence:g} s",
                hint="whether it did what it was asked is not known: look at it again",
            ) from error
        except NatsError as error:
            raise Unreachable(
                f"the connection to the bus was lost while the {self._service} service answered"
            ) from error
        if (message.headers or {}).get("Status") == _NO_RESPONDERS:
            raise Unreachable(
                f"no {self._service} service listens on the bus at {self._bus.address}",
                hint=f"start the stack with floe up, or the service alone with floe serve {self._service}",
            )
        return message

    def _checked(self, message: Msg) -> Part | None:
        """What the part is, None if it is of a kind that only newer versions know; none may be missing before it."""
        headers: Mapping[str, str] = message.headers or {}
        self._number += 1
        if headers.get(NUMBER) != str(self._number):
            raise Unreachable(f"parts of the answer of the {self._service} service were lost on the bus")
        try:
            return Part(headers.get(PART, ""))
        except ValueError:
            return None

    async def _piece(self, kind: Part, message: Msg) -> None:
        """Take a piece, and say so; as long as that lasts, say that somebody is still there."""
        try:
            if kind is Part.ANSWER_PIECE:
                self._pieces.append(message.data)
            elif self._on_data is not None:
                async with self._beating(message.reply):
                    taking = self._on_data(message.data)
                    if inspect.isawaitable(taking):
                        await taking
        except BaseException:
            await self._tell(message.reply, gone=True)
            raise
        self._taken += 1
        await self._tell(message.reply)

    async def _tell(self, flow: str, *, gone: bool = False) -> None:
        with contextlib.suppress(NatsError, OSError):
            await self._bus.nc.publish(flow, Taken(parts=self._taken, gone=gone).model_dump_json().encode())

    @contextlib.asynccontextmanager
    async def _beating(self, flow: str) -> AsyncIterator[None]:
        async def beat() -> None:
            while True:
                await asyncio.sleep(_READER_BEAT_SECONDS)
                await self._tell(flow)

        beating = asyncio.create_task(beat(), name="taking an answer")
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    def _check_permission(self) -> None:
        if any(f'"{self._subject.lower()}"' in refusal.lower() for refusal in self._bus.forbidden):
            raise BusForbidden(
                f"this identity may not ask on {self._subject}",
                hint=f"grant it to {self._bus.name} in the server's config",
            )


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise ContractError("a part of an answer is not JSON") from error
