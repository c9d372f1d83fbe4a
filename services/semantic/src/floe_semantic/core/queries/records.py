"""What a Cube tells of its queries: `deploy/cube/floe/query_log.js` writes it, without what callers filter by."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias

import orjson
from pydantic import AwareDatetime, Field, StringConstraints, ValidationError

from floe_contracts.data import Data, FirstMajor
from floe_semantic.errors import CubeRequestInvalid

MOST_RECORDS: Final = 1_000
"""A batch has no more; Cube sends a hundred."""
_MOST_NAMES: Final = 1_000
_MOST_SQLS: Final = 8
_MOST_QUERIES: Final = 50

Kind: TypeAlias = Literal["started", "succeeded", "failed", "abandoned"]
"""started: it takes longer than a moment, and still goes on. abandoned: its caller never came back for the rows."""
_Short = Annotated[str, StringConstraints(max_length=300)]
_Name = Annotated[str, StringConstraints(max_length=300, pattern=r"^(\?|[A-Za-z_]\w*)(\.(\?|[A-Za-z_]\w*)){0,2}$")]
_Word = Annotated[str, StringConstraints(max_length=100, pattern=r"^(\?|[A-Za-z_]\w*)$")]
_Names = Annotated[tuple[_Name, ...], Field(max_length=_MOST_NAMES)]
_Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class QueryFilter(Data):
    """A filter without its values: a member and how it is compared, or several that hold together or apart."""

    member: _Name | None = None
    operator: _Word | None = None
    both: tuple[QueryFilter, ...] = Field(default=(), alias="and", max_length=_MOST_NAMES)
    either: tuple[QueryFilter, ...] = Field(default=(), alias="or", max_length=_MOST_NAMES)


class QueryTime(Data):
    """A time that is grouped or filtered by."""

    dimension: _Name
    granularity: _Word | None = None
    ranged: bool = False


class QueryOrder(Data):
    """A member that is sorted by."""

    member: _Name
    descending: bool = False


class QueryShape(Data):
    """A query without its values."""

    measures: _Names = ()
    dimensions: _Names = ()
    segments: _Names = ()
    time_dimensions: tuple[QueryTime, ...] = Field(default=(), max_length=_MOST_NAMES)
    filters: tuple[QueryFilter, ...] = Field(default=(), max_length=_MOST_NAMES)
    order: tuple[QueryOrder, ...] = Field(default=(), max_length=_MOST_NAMES)
    ungrouped: bool = False


class QueryRecord(Data):
    """One query, at one moment of its life."""

    kind: Kind
    request: _Short
    started_at: AwareDatetime
    at: AwareDatetime
    announced: bool = Field(default=False, description="Whether it was told to have started.")
    api: Literal["rest", "graphql", "sql", "ws", "other"] = "other"
    bundle_digest: _Digest | None = None
    queries: tuple[QueryShape, ...] = Field(min_length=1, max_length=_MOST_QUERIES)
    members: _Names = Field(default=(), description="All that it touches, as Cube resolved it.")
    shown: _Names = Field(default=(), description="Those that its rows have; with a granularity, if they are times.")
    filtered: _Names = Field(default=(), description="Those that it is filtered by, by policies too.")
    masked: _Names = ()
    denied: _Names = Field(default=(), description="Cubes whose policies gave the caller nothing.")
    sql: tuple[Annotated[str, StringConstraints(max_length=20_000)], ...] = Field(default=(), max_length=_MOST_SQLS)
    pre_aggregations: _Names = ()
    cached: bool | None = None
    user: _Short | None = None
    row_owners: dict[_Short, _Short] = Field(default={}, max_length=50)
    error: Annotated[str, StringConstraints(max_length=2_000)] | None = None

    @property
    def ended_at(self) -> datetime:
        """When it ended; never before it began, as clocks may be set back."""
        return max(self.at, self.started_at)


class _Batch(Data):
    version: FirstMajor
    instance: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    environment: _Short
    product: _Short
    cube_version: _Short = ""
    dropped: int = Field(default=0, ge=0, le=10**9)
    events: list[Any] = Field(max_length=MOST_RECORDS)


class QueryBatch(Data):
    """What one Cube has to tell."""

    instance: str
    environment: str
    product: str
    cube_version: str
    dropped: int = Field(description="Queries that Cube found no room for.")
    records: tuple[QueryRecord, ...]
    unreadable: int = Field(description="Records that are none.")


def read_batch(body: bytes) -> QueryBatch:
    """A batch; a record that is none does not spoil the others.

    Raises:
        CubeRequestInvalid: it is no batch.
    """
    try:
        batch = _Batch.model_validate(orjson.loads(body), extra="ignore")
    except orjson.JSONDecodeError as error:
        raise CubeRequestInvalid(f"the batch is not JSON: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the batch"
        raise CubeRequestInvalid(f"{place}: {first['msg']}") from error
    records = []
    for event in batch.events:
        try:
            records.append(QueryRecord.model_validate(event, extra="ignore"))
        except ValidationError:
            continue
    return QueryBatch(
        instance=batch.instance,
        environment=batch.environment,
        product=batch.product,
        cube_version=batch.cube_version,
        dropped=batch.dropped,
        records=tuple(records),
        unreadable=len(batch.events) - len(records),
    )
