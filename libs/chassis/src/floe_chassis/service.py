"""A service: what it reads, what it does besides, what it answers over HTTP, and its life from start to stop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from faststream.nats.message import NatsMessage
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from floe_chassis import health, topology
from floe_chassis.answers import Answering, Asked
from floe_chassis.bus import Bus
from floe_chassis.delivery import Delivery, RawMessage, raw_message
from floe_chassis.errors import BusClosed, TopologyMissing
from floe_chassis.settings import ChassisSettings
from floe_chassis.subscriptions import AttachedBroker, Subscription
from floe_chassis.topology_apply import consumer_config, consumer_fields, difference
from floe_contracts.cloudevents import Received, decode
from floe_contracts.errors import ContractError, FloeError
from floe_contracts.events import Event
from floe_contracts.requests import AnswerT, Operation, RequestT

EventT = TypeVar("EventT", bound=Event)
Hook = Callable[[], Awaitable[None]]

_TOPOLOGY_HINT: Final = "run floe topology apply"
_LOOK_AGAIN: Final = 0.5
_NANOSECONDS: Final = 1_000_000_000

_log = structlog.get_logger("floe.service")


class Service:
    """One service. Everything is declared before `start`.

    Args:
        name: as in the topology and in the server's permissions.
        settings: of the chassis.

    Attributes:
        stopping: set when the service begins to stop; long answers (streams of events) should end then.
        http_address: `http://host:port` once an HTTP server listens, else None.
    """

    def __init__(self, name: str, settings: ChassisSettings, bus: Bus | None = None) -> None:
        self.name = name
        self.settings = settings
        self.bus = bus or Bus(name, settings)
        self.stopping = asyncio.Event()
        self.http_address: str | None = None
        self._subscriptions: list[Subscription] = []
        self._answering = Answering(self.bus, name)
        self._tasks: dict[str, Hook] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._routes: list[BaseRoute] = []
        self._checks: dict[str, health.Check] = {}
        self._start_hooks: list[Hook] = []
        self._stop_hooks: list[Hook] = []
        self._broker: AttachedBroker | None = None
        self._phase = "not started"
        # What a service is made with may need closing too, so the hooks wait for a stop from the beginning.
        self._to_close = True
        self._app: Starlette | None = None

    def subscribe(
        self,
        consumer: str,
        model: type[EventT],
        handler: Callable[[Received[EventT]], Awaitable[None]],
        *,
        concurrency: int = 1,
    ) -> None:
        """Handle the events of a consumer.

        Args:
            consumer: name in the topology.
            model: the event that the handler takes; another one is a dead letter.
            handler: returns when the effect and its events are stored; what it raises decides what comes next.
            concurrency: messages handled at the same time.
        """
        self.subscribe_kinds(consumer, {model: handler}, concurrency=concurrency)

    def subscribe_kinds(
        self,
        consumer: str,
        handlers: Mapping[type[Any], Callable[[Received[Any]], Awaitable[None]]],
        *,
        concurrency: int = 1,
    ) -> None:
        """Handle the events of a consumer that brings several kinds, as `subscribe` does; model -> its handler."""

        async def handle(message: NatsMessage) -> None:
            raw = message.raw_message
            received = replace(decode(raw.subject, raw.headers, raw.data), sequence=raw_message(message).sequence)
            handler = handlers.get(type(received.event))
            if handler is None:
                taken = " and ".join(model.__name__ for model in handlers)
                raise ContractError(f"{consumer} takes {taken}, and a {type(received.event).__name__} came")
            await handler(received)

        self._subscriptions.append(Subscription(topology.consumer(consumer, self.settings), handle, concurrency))

    def subscribe_raw(self, consumer: str, handler: Callable[[RawMessage], Awaitable[None]]) -> None:
        """Handle the messages of a consumer undecoded."""

        async def handle(message: NatsMessage) -> None:
            await handler(raw_message(message))

        self._subscriptions.append(Subscription(topology.consumer(consumer, self.settings), handle, 1))

    def answer(
        self, operation: Operation[RequestT, AnswerT], handler: Callable[[Asked[RequestT]], Awaitable[AnswerT]]
    ) -> None:
        """Answer requests of an operation; what the handler raises is told to whoever asked."""
        self._answering.add(operation, handler)

    def task(self, name: str, factory: Hook) -> None:
        """Run `factory()` while the service runs. If it raises, liveness fails; at stop it is cancelled."""
        self._tasks[name] = factory

    def route(self, route: BaseRoute) -> None:
        """Answer over HTTP."""
        self._routes.append(route)

    def check(self, name: str, check: health.Check) -> None:
        """Be ready only while `check()` neither raises nor returns False."""
        self._checks[name] = check

    def on_start(self, hook: Hook) -> None:
        """Await `hook()` once the bus is connected, before anything is read."""
        self._start_hooks.append(hook)

    def on_stop(self, hook: Hook) -> None:
        """Await `hook()` when handlers and tasks have ended, before the bus is closed; the last one added first.

        Awaited once for each start, also when the start was cut short, and for a service that never started.
        """
        self._stop_hooks.append(hook)

    @property
    def routes(self) -> tuple[BaseRoute, ...]:
        """The added routes; a service without any needs HTTP only for its probes."""
        return tuple(self._routes)

    @property
    def app(self) -> Starlette:
        """The ASGI application: the added routes, `/healthz` and `/readyz`."""
        if self._app is None:
            probes = [Route("/healthz", self._healthz), Route("/readyz", self._readyz)]
            self._app = Starlette(routes=[*probes, *self._routes])
        return self._app

    async def start(self) -> None:
        """Connect, run the start hooks, wait for the consumers, then read. Waits as long as the bus is away.

        Raises:
            FloeError: of a start hook or the settings; what was begun is undone.
        """
        self.stopping.clear()
        self._to_close = True
        try:
            with structlog.contextvars.bound_contextvars(service=self.name):
                await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self, grace: float | None = None) -> None:
        """Stop reading, let handlers end, cancel tasks, run the stop hooks, close the bus. Never raises.

        Args:
            grace: seconds for all of it; `shutdown_grace` when left out. A handler that is cut off is delivered again
                after `ack_wait`.
        """
        deadline = time.monotonic() + (self.settings.shutdown_grace if grace is None else grace)
        self._phase = "stopping"
        self.stopping.set()
        broker, self._broker = self._broker, None
        if broker is not None:
            # Some of the grace is for what comes after the handlers.
            left = deadline - time.monotonic()
            with _logged("broker"):
                await broker.stop_within(max(0.1, left - min(2.0, left / 3)))
        with _logged("answers"):
            await self._answering.stop(max(0.1, min(2.0, (deadline - time.monotonic()) / 3)))
        running, self._running = self._running, {}
        for task in running.values():
            task.cancel()
        if running:
            await asyncio.wait(running.values(), timeout=max(0.1, deadline - time.monotonic()))
        to_close, self._to_close = self._to_close, False
        for hook in reversed(self._stop_hooks if to_close else ()):
            with _logged("stop hook"):
                await asyncio.wait_for(hook(), max(0.1, deadline - time.monotonic()))
        await self.bus.close()
        self._phase = "stopped"

    def ailments(self) -> list[str]:
        """Why the service should be started anew, as sentences; empty if it is alive. The bus has no say in it."""
        ailments = [] if self._broker is None else self._broker.stalled()
        if self.bus.lost.is_set():
            ailments.append("the server closed the connection for good")
        for name, task in self._running.items():
            if task.done() and not task.cancelled() and task.exception() is not None:
                ailments.append(f"the task {name} failed: {task.exception()}")
        return ailments

    async def readiness(self) -> dict[str, str]:
        """Everything that must be in order -> `ok`, or what is missing."""
        if self._phase != "started":
            return {"service": self._phase, "bus": health.OK if self.bus.connected else "not connected"}
        checks: dict[str, health.Check] = {"bus": self._check_bus}
        for subscription in self._subscriptions:
            checks[f"consumer {subscription.consumer.name}"] = partial(self._find, subscription.consumer)
        return await health.run_checks({**checks, **self._checks})

    async def _start(self) -> None:
        self._phase = "waiting for the bus"
        await self.bus.connect()
        self._phase = "running the start hooks"
        for hook in self._start_hooks:
            await hook()
        deliveries = {}
        for subscription in self._subscriptions:
            self._phase = f"waiting for the consumer {subscription.consumer.name}"
            deliveries[subscription.consumer.name] = await self._await_consumer(subscription.consumer)
        for name, factory in self._tasks.items():
            self._running[name] = asyncio.create_task(self._run_task(name, factory), name=name)
        if self._subscriptions:
            self._broker = AttachedBroker(self.bus, deliveries)
            for subscription in self._subscriptions:
                self._broker.add(subscription)
            await self._broker.start()
        await self._answering.start()
        self._phase = "started"
        _log.info("service.started", consumers=sorted(deliveries))

    async def _await_consumer(self, consumer: topology.Consumer) -> Delivery:
        said: str | None = None
        while True:
            try:
                have = await self._find(consumer)
            except FloeError as error:
                if (text := str(error)) != said:
                    said = text
                    _log.warning("service.waiting", reason=text)
                await asyncio.sleep(_LOOK_AGAIN)
                continue
            if drift := difference(have, consumer_fields(consumer)):
                _log.warning("consumer.drift", consumer=consumer.name, fields=dict(drift), hint=_TOPOLOGY_HINT)
            return Delivery(
                bus=self.bus,
                ack_wait=have["ack_wait"] / _NANOSECONDS,
                max_deliver=have["max_deliver"],
                retry_seconds=self.settings.retry_seconds,
            )

    async def _find(self, consumer: topology.Consumer) -> dict[str, int]:
        have = await consumer_config(self.bus, consumer.stream, consumer.name)
        if have is None:
            raise TopologyMissing(
                f"there is no consumer {consumer.name!r} on the stream {consumer.stream}", hint=_TOPOLOGY_HINT
            )
        return dict(have)

    async def _run_task(self, name: str, factory: Hook) -> None:
        try:
            await factory()
        except Exception:
            _log.exception("task.failed", task=name)
            raise

    async def _check_bus(self) -> None:
        if not self.bus.connected:
            raise BusClosed(f"not connected to {self.bus.address}")
        if self.bus.forbidden:
            raise BusClosed(self.bus.forbidden[-1])

    async def _healthz(self, _: Request) -> JSONResponse:
        ailments = self.ailments()
        return JSONResponse({"alive": not ailments, "ailments": ailments}, status_code=503 if ailments else 200)

    async def _readyz(self, _: Request) -> JSONResponse:
        checks = await self.readiness()
        missing = {name: result for name, result in checks.items() if result != health.OK}
        return JSONResponse({"ready": not missing, "missing": missing}, status_code=503 if missing else 200)


@contextlib.contextmanager
def _logged(part: str) -> Iterator[None]:
    try:
        yield
    except Exception:  # noqa: BLE001 - one part that fails must not keep the others from stopping
        _log.exception("stop.failed", part=part)
