"""How floe names jobs and datasets in OpenLineage: the same wherever a project is checked out and however it is run."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from floe_contracts.nodes import Node

_RUN_IDS: Final = uuid.UUID("6f0b1a52-7a4e-5c8f-9d1e-0c5d3f2b7a10")


@dataclass(frozen=True, slots=True)
class Place:
    """The tenant, environment and product that everything in a run belongs to."""

    tenant: str
    environment: str
    product: str

    def __str__(self) -> str:
        """`tenant.environment.product`, for keys and messages."""
        return f"{self.tenant}.{self.environment}.{self.product}"


def foreign_place(tenant: str, environment: str, producer: str) -> Place:
    """The place of a producer that is not floe.

    The hyphen keeps it apart from all products, whose names begin with a letter: nobody outside can write among the
    events of a product's runs.
    """
    return Place(tenant, environment, f"-{producer}")


def run_id(place: Place, cause: str) -> str:
    """The id of the run that the request with the id `cause` leads to: the same for every delivery of the request."""
    return str(uuid.uuid5(_RUN_IDS, f"{place}/{cause}"))


def node_run_id(run: str, attempt: int, job: str) -> str:
    """The OpenLineage run id of one job in one attempt of a run (DESIGN section 5)."""
    return str(uuid.uuid5(_RUN_IDS, f"{run}/{attempt}/{job}"))


def job_namespace(place: Place) -> str:
    """The namespace of all jobs of a tenant's environment."""
    return f"floe://{place.tenant}/{place.environment}"


def named_place(namespace: str, product: str) -> Place:
    """The place whose job is called so: what `job_namespace` has made, read back."""
    tenant, _, environment = namespace.removeprefix("floe://").partition("/")
    return Place(tenant, environment, product)


def node_job(place: Place, unique_id: str) -> str:
    """The job of a dbt node; it does not depend on the command that ran it."""
    return f"{place.product}.{unique_id}"


def landing_job(place: Place, identifier: str) -> str:
    """The job that lands a table."""
    return f"{place.product}.land.{identifier}"


def query_job(place: Place, served: str, digest: str) -> str:
    """The job of all queries of Cube that ask for the same in the same way.

    Args:
        place: whose data it is.
        served: the cube or view that it is asked of.
        digest: of the query without its values, or a word for several.
    """
    return f"{place.product}.cube.{served}.{digest}"


def query_result(place: Place, job: str) -> tuple[str, str]:
    """Namespace and name of what the queries of a job answer with."""
    return f"cube://{place.tenant}/{place.environment}", job


def query_run_id(place: Place, instance: str, request: str, started_at: datetime, digest: str) -> str:
    """The run of one query: the same however often a Cube tells of it.

    A caller may choose the id of a request, and choose it again, so the time counts.

    Args:
        place: whose data it is.
        instance: the Cube that answered.
        request: the id of the request.
        started_at: when it began.
        digest: of the query without its values.
    """
    return str(uuid.uuid5(_RUN_IDS, f"{place}/{instance}/{request}/{started_at.isoformat()}/{digest}"))


def warehouse_namespace(place: Place, warehouse: str, properties: Mapping[str, Any]) -> str:
    """The namespace of the relations in a warehouse, after the naming rules of the specification.

    A DuckDB file is the product's own and is named after it, wherever it stands. Others are named after their server,
    so that products that share one meet in its tables; without an address that is known here, as if they were DuckDB.

    Args:
        place: whose warehouse it is.
        warehouse: type of the compute.
        properties: what platform.yaml says of it.
    """
    host, port = properties.get("host"), properties.get("port")
    if warehouse == "bigquery":
        return "bigquery"
    if warehouse == "snowflake" and properties.get("account"):
        return f"snowflake://{properties['account']}"
    if warehouse == "postgres" and host:
        return f"postgres://{host}:{port or 5432}"
    if warehouse in {"databricks", "redshift", "spark"} and host:
        return f"{warehouse}://{host}:{port}" if port else f"{warehouse}://{host}"
    return f"{warehouse}://{place}"


def relation(node: Node) -> str:
    """The name of the relation that a node builds or reads, in its warehouse."""
    return ".".join(name for name in (node.database, node.schema_name, node.identifier) if name)


def iceberg_dataset(place: Place, identifier: str) -> tuple[str, str]:
    """Namespace and name of a landed table."""
    return f"iceberg://{place.tenant}/{place.environment}", identifier


def stored_dataset(location: str) -> tuple[str, str]:
    """Namespace and name of the same data in its storage, by the URI of its folder."""
    scheme, _, rest = location.partition("://")
    if scheme in {"", "file"} or not rest:
        return "file", location.removeprefix("file://")
    bucket, _, path = rest.partition("/")
    return f"{scheme}://{bucket}", path or "/"
