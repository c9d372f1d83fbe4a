"""What floe tells of a query of Cube beside what the specification knows, and under which producer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from floe_contracts.openlineage.facet import Facet, facet, own

QUERIED: Final = "https://floe.dev/semantic"
"""The producer of these events."""
QUERY: Final = "floe_query"
"""The key of the facet."""

_QUERY: Final = own("1-0-0", "FloeQueryRunFacet")


@dataclass(frozen=True, slots=True)
class AlikeQueries:
    """Queries that one run stands for, itself among them: same job, same outcome, same members masked.

    Attributes:
        since: when the first of them began, ISO 8601.
        queries: how many.
        cached: how many of them were answered from Cube's cache.
        users: how many callers, as far as they are known apart.
    """

    since: str
    queries: int
    cached: int
    users: int


@dataclass(frozen=True, slots=True)
class QueryTold:
    """A query of Cube.

    Attributes:
        api: by which of Cube's APIs it came: rest, graphql, sql, ws or other.
        instance: the Cube that answered.
        bundle_digest: the bundle that it was served with.
        artifact_digest: the artifact that the bundle was rendered from, if known.
        members: cubes' and views' members that it names, those that policies filter by among them.
        masked: those of them that the caller did not see as they are.
        denied: cubes and views whose policies gave the caller nothing.
        cached: whether the rows came from Cube's cache, if known.
        pre_aggregations: pre-aggregations that it was answered from.
        user: pseudonym of the caller, if pseudonyms are made.
        row_owners: by claim, the pseudonym of what the caller's rows must be owned by.
        alike: what the run stands for.
    """

    api: str
    instance: str
    bundle_digest: str | None
    artifact_digest: str | None
    members: tuple[str, ...]
    masked: tuple[str, ...]
    denied: tuple[str, ...]
    cached: bool | None
    pre_aggregations: tuple[str, ...]
    user: str | None
    row_owners: Mapping[str, str]
    alike: AlikeQueries


def query(told: QueryTold) -> Facet:
    """Floe's own facet of a query of Cube."""
    alike = told.alike
    return facet(
        _QUERY,
        api=told.api,
        instance=told.instance,
        bundleDigest=told.bundle_digest,
        artifactDigest=told.artifact_digest,
        members=list(told.members),
        masked=list(told.masked),
        denied=list(told.denied),
        cached=told.cached,
        preAggregations=list(told.pre_aggregations),
        user=told.user,
        rowOwners=dict(told.row_owners),
        alike={"since": alike.since, "queries": alike.queries, "cached": alike.cached, "users": alike.users},
    )


def by_semantic(facets: Iterable[tuple[str, Facet | None]]) -> dict[str, Facet]:
    """Facets by their keys, of which the semantic service is the producer; without those that say nothing."""
    return {key: written | {"_producer": QUERIED} for key, written in facets if written is not None}
