"""Asking the catalog service of whichever stack there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floe_chassis.requests import OnData, ask
from floe_cli.catalog.progress_bar import progress_bar
from floe_cli.run_records import RunFilter, read_runs
from floe_cli.stack.connection import Connection
from floe_cli.stack.service_stack import service_in
from floe_contracts.catalog_requests import RUN
from floe_contracts.errors import WrongUsage
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
    async with service_in(path, "catalog", environment) as (connection, name):
        yield Catalog(connection, name)


def _whole(start: str, run_ids: Collection[str]) -> str:
    found = [run_id for run_id in run_ids if run_id.startswith(start)]
    if len(found) > 1 and start not in found:
        raise WrongUsage(f"several runs begin with {start!r}", hint="floe runs list shows them")
    return found[0] if len(found) == 1 else start
