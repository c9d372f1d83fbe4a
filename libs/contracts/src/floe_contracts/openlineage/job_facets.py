"""The facets of a job that floe writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from floe_contracts.openlineage.facet import Facet, facet, official

_TYPE: Final = official("2-0-4", "JobTypeJobFacet")
_SQL: Final = official("1-1-0", "SQLJobFacet")
_DOCUMENTATION: Final = official("1-1-0", "DocumentationJobFacet")
_OWNERSHIP: Final = official("1-0-1", "OwnershipJobFacet")
_LOCATION: Final = official("1-1-0", "SourceCodeLocationJobFacet")
_TAGS: Final = official("1-0-0", "TagsJobFacet")


def job_type(kind: str, integration: str = "DBT", *, processing: Literal["BATCH", "SERVICE"] = "BATCH") -> Facet:
    """What sort of job it is.

    Args:
        kind: MODEL, SEED, SNAPSHOT, TEST, LANDING, EXPOSURE, or PRODUCT for the whole run.
        integration: whose jobs are called so: DBT or FLOE.
        processing: BATCH for what begins and ends, SERVICE for what is just there.
    """
    return facet(_TYPE, processingType=processing, integration=integration, jobType=kind)


def sql(query: str, dialect: str) -> Facet:
    """The query, and whose SQL it is."""
    return facet(_SQL, query=query, dialect=dialect)


def documentation(description: str) -> Facet:
    """The description of a job."""
    return facet(_DOCUMENTATION, description=description)


def owners(owner: str) -> Facet:
    """Who owns a job."""
    return facet(_OWNERSHIP, owners=[{"name": owner}])


def source_code(
    url: str, *, repository: str, path: str | None, version: str | None, branch: str | None, tag: str | None
) -> Facet:
    """Where the code of a job lives in Git.

    Args:
        url: of the file, or of its repository where nobody knows how that shows files.
        repository: its address.
        path: the file, or the folder of the product, from the root of the repository.
        version: the commit's full hash.
        branch: the branch that it came from.
        tag: the tag that it came from.
    """
    return facet(_LOCATION, type="git", url=url, repoUrl=repository, path=path, version=version, branch=branch, tag=tag)


def tags(found: Iterable[tuple[str, str, str]]) -> Facet:
    """Key, value and source of each tag."""
    return facet(_TAGS, tags=[{"key": key, "value": value, "source": source} for key, value, source in found])
