"""Calls to catalogs, which block, off the event loop: each catalog has threads of its own, and not for ever.

A driver may wait for a server that never answers for as long as the connection stands. What hangs keeps the threads of
its own catalog, and once it keeps them all, whoever asks that catalog is told so at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Final, Protocol, TypeVar

from pyiceberg.catalog import Catalog

from floe_contracts.artifacts import CompiledEnvironment
from floe_contracts.openlineage.naming import Place
from floe_lakehouse.errors import CatalogUnreachable

T = TypeVar("T")

THREADS: Final = 4
"""Calls to one catalog at the same time."""


class Opens(Protocol):
    """Opens the catalog of an environment of a tenant; a second time it is the same."""

    def open(self, tenant: str, environment_name: str, environment: CompiledEnvironment) -> Catalog:
        """The catalog.

        Raises:
            CatalogMisconfigured: it cannot be opened as platform.yaml describes it.
            CatalogUnreachable: it does not answer.
        """
        ...


class _Threads:
    """The threads of one catalog."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix=name)
        self._counting = threading.Lock()
        self.hanging = 0

    def submit(self, call: Callable[[], T]) -> Future[T]:
        return self._pool.submit(copy_context().run, call)

    def left_alone(self, call: Future[Any]) -> None:
        """Nobody waits for a call any more; until its thread is back it counts as hanging."""
        with self._counting:
            self.hanging += 1
        call.add_done_callback(lambda _: self._back())

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _back(self) -> None:
        with self._counting:
            self.hanging -= 1


class CatalogCalls:
    """Runs functions that take an opened catalog."""

    def __init__(self, catalogs: Opens, seconds: float) -> None:
        """Give calls `seconds`, unless they say otherwise."""
        self._catalogs = catalogs
        self._seconds = seconds
        self._threads: dict[tuple[str, str, str], _Threads] = {}

    async def run(
        self,
        place: Place,
        environment: CompiledEnvironment,
        function: Callable[[Catalog], T],
        *,
        what: str,
        seconds: float | None = None,
    ) -> T:
        """What `function` returns for the catalog of a place's environment.

        Args:
            place: for its tenant, and the environment's name.
            environment: the environment, as compiled.
            function: blocks; called in a thread.
            what: what it asks for, for messages.
            seconds: how long it may take.

        Raises:
            CatalogUnreachable: the catalog does not answer in time.
            FloeError: what opening the catalog or the function raises.
        """
        threads, seconds = self._of(place, environment), seconds or self._seconds
        if threads.hanging >= THREADS:
            raise _unanswered(environment, what, "and others wait for it already")

        def call() -> T:
            return function(self._catalogs.open(place.tenant, place.environment, environment))

        calling = threads.submit(call)
        answer = asyncio.wrap_future(calling)
        answer.add_done_callback(_heard)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(answer)
        except TimeoutError as error:
            if not calling.cancel():
                threads.left_alone(calling)
            raise _unanswered(environment, what, f"within {seconds:g} s") from error

    async def close(self) -> None:
        """Begin none of the calls that wait for a thread."""
        while self._threads:
            self._threads.popitem()[1].close()

    def _of(self, place: Place, environment: CompiledEnvironment) -> _Threads:
        key = (place.tenant, place.environment, environment.catalog.name)
        if key not in self._threads:
            self._threads[key] = _Threads(f"catalog {environment.catalog.name}")
        return self._threads[key]


def _heard(answer: asyncio.Future[T]) -> None:
    """Nobody may be left to hear how it failed, which asyncio would complain of."""
    if not answer.cancelled():
        answer.exception()


def _unanswered(environment: CompiledEnvironment, what: str, how_long: str) -> CatalogUnreachable:
    return CatalogUnreachable(
        f"the catalog {environment.catalog.name!r} does not answer when asked for {what}, {how_long}",
        hint="see whether it runs, and whether it can be reached from here",
    )
