"""Queries that run: those that take longer than a moment, in the bucket `floe_open_queries` until they have ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

import structlog
from nats.errors import Error as NatsError
from nats.js.kv import KeyValue

from floe_chassis.bus import Bus
from floe_chassis.key_values import entries_below, forget
from floe_chassis.topology import OPEN_QUERIES_BUCKET
from floe_contracts.data import Data, FirstMajor
from floe_contracts.errors import Unreachable
from floe_contracts.openlineage.naming import Place, query_run_id
from floe_contracts.semantic_states import cube_instance_key
from floe_semantic.core.queries.records import QueryRecord
from floe_semantic.core.queries.windows import Query, query_of

SILENT_FOR: Final = timedelta(minutes=3)
"""Cube tells of a query each minute while it runs."""

_log = structlog.get_logger("floe.semantic")


class _OpenQuery(Data):
    version: FirstMajor = "1.0"
    tenant: str
    environment: str
    product: str
    instance: str
    cube_version: str
    heard_at: datetime
    record: QueryRecord


class OpenQueries:
    """The bucket. What stands there outlives both the Cube and the service that put it there."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def remember(self, query: Query, now: datetime) -> None:
        """A query runs.

        Raises:
            Unreachable: the bus does not answer.
        """
        place = query.place
        told = _OpenQuery(
            tenant=place.tenant,
            environment=place.environment,
            product=place.product,
            instance=query.instance,
            cube_version=query.cube_version,
            heard_at=now,
            record=query.record,
        )
        with _reachable():
            await (await self._bucket()).put(_key(query), told.model_dump_json(by_alias=True).encode())

    async def forget(self, query: Query) -> None:
        """A query has ended.

        Raises:
            Unreachable: the bus does not answer.
        """
        with _reachable():
            await forget(await self._bucket(), _key(query))

    async def silent(self, now: datetime) -> list[Query]:
        """Queries that nothing was heard of for so long that they have ended without a word.

        Raises:
            Unreachable: the bus does not answer.
        """
        found = []
        with _reachable():
            bucket = await self._bucket()
            for entry in await entries_below(bucket, ">"):
                try:
                    told = _OpenQuery.model_validate_json(entry.value or b"", extra="ignore")
                except ValueError:
                    _log.warning("query.unreadable", key=entry.key)
                    await forget(bucket, entry.key)
                    continue
                if now - told.heard_at >= SILENT_FOR:
                    # It is not known when it ended, only since when nothing was heard.
                    record = told.record.model_copy(update={"at": told.heard_at})
                    place = Place(told.tenant, told.environment, told.product)
                    found.append(query_of(place, told.instance, told.cube_version, record))
        return found

    async def _bucket(self) -> KeyValue:
        return await self._bus.key_value(OPEN_QUERIES_BUCKET)


def _key(query: Query) -> str:
    record = query.record
    run = query_run_id(query.place, query.instance, record.request, record.started_at, query.digest)
    return f"{cube_instance_key(query.place, query.instance)}.{run}"


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except (NatsError, OSError, TimeoutError) as error:
        raise Unreachable(f"the open queries cannot be reached: {error or 'no answer'}") from error
