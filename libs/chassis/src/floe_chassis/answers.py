"""How a service answers requests: one task for each, a bounded number of them at a time, in parts (see `requests`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Generic

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from floe_chassis.answer_parts import AnswerLimits, Parts
from floe_chassis.bus import Bus
from floe_chassis.errors import AskerGone, TooManyRequests
from floe_chassis.requests import Part, Progress
from floe_contracts import subjects
from floe_contracts.errors import ContractError, FloeError, Permanent, Unreachable
from floe_contracts.events import Problem
from floe_contracts.requests import AnswerT, Operation, RequestProblem, RequestT

_FLUSH_SECONDS: Final = 1

_log = structlog.get_logger("floe.answers")


class Asked(Generic[RequestT]):
    """One request, and the way back to whoever asked.

    Attributes:
        id: of the request, chosen by whoever asks.
        tenant: whose data it is about, by its subject: the bus grants subjects, nobody checks what a body says.
        environment: where, by its subject.
        asker: the identity that waits, as it calls itself.
        request: what is asked.
    """

    def __init__(self, parts: Parts, subject: subjects.RequestSubject, reply: str, request: RequestT) -> None:
        asker, token = (subjects.unescape(name) for name in reply.split(".")[-2:])
        self.id = token
        self.tenant = subject.tenant
        self.environment = subject.environment
        self.asker = asker
        self.request = request
        self._parts = parts

    def progress(self, done: int, total: int, what: str = "") -> None:
        """Say how far the work has come. May be called from any thread and as often as one likes."""
        self._parts.progress = Progress(done=done, total=total, what=what)

    async def data(self, data: bytes) -> None:
        """Send data; returns once no more than a few pieces are ahead of the asker.

        Raises:
            AskerGone: nobody takes it any more.
            Unreachable: the bus is away.
        """
        await self._parts.send_pieces(Part.DATA, data)


class Answering:
    """The requests that one service answers.

    Args:
        bus: that the service is connected with.
        service: its name: the queue group, so that one instance answers each request.
        limits: what bounds it.
    """

    def __init__(self, bus: Bus, service: str, limits: AnswerLimits | None = None) -> None:
        self._bus = bus
        self._service = service
        self._limits = limits or AnswerLimits()
        self._operations: dict[str, Callable[[Msg, Parts], Awaitable[Any]]] = {}
        self._listening: list[Subscription] = []
        self._running: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(self._limits.at_once)

    def add(
        self, operation: Operation[RequestT, AnswerT], handler: Callable[[Asked[RequestT]], Awaitable[AnswerT]]
    ) -> None:
        """Answer the requests of an operation by what `handler` returns or raises."""

        async def handle(message: Msg, parts: Parts) -> AnswerT:
            subject = subjects.parse_request(message.subject)
            try:
                document = json.loads(message.data)
            except ValueError as error:
                raise ContractError(f"{operation.service} {operation.name}: the request is not JSON") from error
            return await handler(Asked(parts, subject, message.reply, operation.read(document)))

        self._operations[operation.name] = handle

    async def start(self) -> None:
        """Listen; once this returns, requests find us."""
        for name, handle in self._operations.items():
            pattern = subjects.request_pattern(self._service, name)
            subscription = await self._bus.nc.subscribe(
                pattern, queue=subjects.escape(self._service), cb=partial(self._on_request, handle)
            )
            self._listening.append(subscription)
        if self._listening:
            await self._flush()

    async def stop(self, grace: float) -> None:
        """Listen no longer; what is not answered within `grace` seconds is cancelled, and its asker told."""
        listening, self._listening = self._listening, []
        for subscription in listening:
            with contextlib.suppress(NatsError, OSError):
                await subscription.unsubscribe()
        if running := set(self._running):
            _, late = await asyncio.wait(running, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=grace)
            await self._flush()  # closing the connection throws away what is not sent yet

    async def _on_request(self, handle: Callable[[Msg, Parts], Awaitable[Any]], message: Msg) -> None:
        if not subjects.is_answer(message.reply, self._service):
            # The server lets anybody name any reply subject: what we may publish must not be for others to choose.
            _log.warning("request.no_answer_subject", subject=message.subject, reply=message.reply)
            return
        parts = Parts(self._bus, self._service, message.reply, self._limits)
        if len(self._running) >= self._limits.at_once + self._limits.waiting:
            hint = "ask again in a while"
            await self._refuse(parts, TooManyRequests(f"the {self._service} service has too much to do", hint=hint))
            return
        task = asyncio.create_task(self._answer(handle, message, parts), name=f"request {message.subject}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, handle: Callable[[Msg, Parts], Awaitable[Any]], message: Msg, parts: Parts) -> None:
        beating = asyncio.create_task(parts.beat(), name="signs of life")
        try:
            async with self._turns:
                with (
                    self._bus.telemetry.process(message.subject, message.headers or {}, self._service, 1),
                    structlog.contextvars.bound_contextvars(subject=message.subject),
                ):
                    answer = await handle(message, parts)
            await _ended(beating)
            await parts.send_answer(answer.model_dump_json().encode())
        except asyncio.CancelledError:
            await self._refuse(parts, Unreachable(f"the {self._service} service was stopped before it had answered"))
            raise
        except AskerGone as error:
            _log.info("request.given_up", subject=message.subject, reason=str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits to hear of it
            await _ended(beating)
            await self._refuse(parts, error)
        finally:
            await _ended(beating)
            await parts.close()

    async def _flush(self) -> None:
        """Wait until the server has what was sent; without a connection, subscribing is done anew when it is back."""
        # nats-py writes its ping past what waits to be written; the second one comes after that.
        for _ in range(2):
            if self._bus.connected:
                with contextlib.suppress(NatsError, OSError, TimeoutError):
                    await self._bus.nc.flush(timeout=_FLUSH_SECONDS)

    async def _refuse(self, parts: Parts, error: Exception) -> None:
        known = isinstance(error, FloeError)
        if not known:
            _log.error("request.failed", exc_info=error)
        told = error if isinstance(error, FloeError) else FloeError(f"{type(error).__name__}: {error}")
        problem = RequestProblem(**Problem.of(told).model_dump(), transient=known and not isinstance(error, Permanent))
        try:
            await parts.send(Part.PROBLEM, problem.model_dump_json().encode())
        except Unreachable as failure:
            _log.warning("request.unanswered", error=str(told), failure=str(failure))


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
