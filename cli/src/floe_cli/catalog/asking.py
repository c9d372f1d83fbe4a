"""Asking the catalog service of whichever stack there is."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floe_chassis.requests import OnData, ask
from floe_chassis.settings import ChassisSettings, load_settings
from floe_cli.catalog.progress_bar import progress_bar
from floe_cli.run_records import RunFilter, read_live, read_runs
from floe_cli.stack.connection import Connection, configured, connected, running
from floe_cli.stack.embedded import embedded_stack
from floe_cli.stack.folders import stack_folder
from floe_contracts.catalog_requests import RUN
from floe_contracts.errors import Unreachable, WrongUsage
from floe_contracts.requests import AnswerT, Operation, RequestT

_NAMING_SNAPSHOTS: Final = ("at", "before", "after", "to")
"""The fields of requests that name snapshots."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The catalog service, asked about one environment."""

    connection: Connection
    environment: str

    async def ask(
        self, operation: Operation[RequestT, AnswerT], request: RequestT, on_data: OnData | None = None
    ) -> AnswerT:
        """Ask, and show on a terminal how far the service has come.

        Raises:
            Unreachable: no catalog service answers.
            RequestRefused: it says that it cannot be done.
            RequestFailed: it says that it cannot be done at the moment.
            WrongUsage: it names a run by a beginning that several have.
        """
        with progress_bar() as show:
            return await ask(
                self.connection.bus,
                operation,
                await self._completed(request),
                tenant=self.connection.settings.tenant,
                environment=self.environment,
                on_progress=show,
                on_data=on_data,
            )

    async def _completed(self, request: RequestT) -> RequestT:
        """The request with the whole ids of runs, where a person gave the beginning of one.

        Raises:
            WrongUsage: several runs begin so.
        """
        named = {name: getattr(request, name, None) for name in _NAMING_SNAPSHOTS}
        begun = {name: at.removeprefix(RUN) for name, at in named.items() if at is not None and at.startswith(RUN)}
        if not begun:
            return request
        runs = await read_runs(self.connection, RunFilter(environment=self.environment))
        known = {record.run_id for record in runs}
        return request.model_copy(update={name: RUN + _whole(start, known) for name, start in begun.items()})


@asynccontextmanager
async def catalog_of(path: Path, environment: str | None) -> AsyncIterator[Catalog]:
    """The catalog service of a folder's stack; without a running stack, one is started for as long as it takes.

    Args:
        path: the folder.
        environment: which one is asked about; left out, `dev`, or the only one where something is live.

    Raises:
        Unreachable: the bus is not there, or nothing has run in the folder yet.
        WrongUsage: it is not clear which environment is meant.
    """
    async with AsyncExitStack() as cleanup:
        connection = await cleanup.enter_async_context(_stack(path))
        yield Catalog(connection, environment or await _environment(connection))


@asynccontextmanager
async def _stack(path: Path) -> AsyncIterator[Connection]:
    settings = configured() or running(path)
    if settings is not None:
        async with connected(settings) as connection:
            yield connection
        return
    folder = stack_folder(path)
    if not folder.bus.is_dir():
        raise Unreachable(
            f"nothing has run in {path} yet",
            hint=f"floe run {path}, or set FLOE_NATS_URL to a stack that runs elsewhere",
        )
    async with embedded_stack(folder, services=("catalog",)) as stack:
        settings = load_settings(ChassisSettings, dict(os.environ) | folder.environment(stack.nats_url))
        async with connected(settings) as connection:
            await stack.until_all()
            yield connection


async def _environment(connection: Connection) -> str:
    live = {product.environment for product in await read_live(connection)}
    if "dev" in live or not live:
        return "dev"
    if len(live) > 1:
        raise WrongUsage(
            "it is not clear which environment is meant", hint=f"name one with -e: {', '.join(sorted(live))}"
        )
    return live.pop()


def _whole(start: str, run_ids: Collection[str]) -> str:
    found = [run_id for run_id in run_ids if run_id.startswith(start)]
    if len(found) > 1 and start not in found:
        raise WrongUsage(f"several runs begin with {start!r}", hint="floe runs list shows them")
    return found[0] if len(found) == 1 else start
