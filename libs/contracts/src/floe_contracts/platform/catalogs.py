"""Where tables are registered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from floe_contracts.platform.credentials import CatalogCredentials
from floe_contracts.secret_refs import SecretRef
from floe_contracts.sections import Section


class _RestCatalog(Section):
    uri: str | SecretRef = Field(description="Address of the catalog.")
    warehouse: str | None = Field(default=None, description="The warehouse in it.")
    namespace: str | None = Field(default=None, description="Below which all namespaces stand.")
    credentials: CatalogCredentials | None = Field(default=None, description="How it is opened; left out, freely.")
    access_delegation: Literal["vended-credentials", "remote-signing", "none"] = Field(
        default="vended-credentials", description="Who opens the storage: the catalog for us, or we ourselves."
    )
    token_refresh_enabled: bool = Field(default=True, description="Whether a token is renewed before it ends.")
    properties: dict[str, str] = Field(default={}, description="Passed to the client as they are.")


class PolarisCatalog(_RestCatalog):
    """Apache Polaris."""

    type: Literal["polaris"] = Field(description="The kind of catalog.")
    warehouse: str = Field(description="The catalog in Polaris.")


class RestCatalog(_RestCatalog):
    """Any server of the Iceberg REST protocol."""

    type: Literal["rest"] = Field(description="The kind of catalog.")


class NessieCatalog(_RestCatalog):
    """Nessie, by its Iceberg REST door."""

    type: Literal["nessie"] = Field(description="The kind of catalog.")
    branch: str = Field(default="main", description="The branch of Nessie that is read and written.")


class GlueCatalog(Section):
    """AWS Glue."""

    type: Literal["glue"] = Field(description="The kind of catalog.")
    region: str = Field(description="Its region.")
    catalog_id: str | None = Field(default=None, description="The account, where it is another one.")
    warehouse: str | None = Field(default=None, description="Root of new tables.")
    credentials: CatalogCredentials | None = Field(default=None, description="Left out, the worker's own hold.")
    properties: dict[str, str] = Field(default={}, description="Passed to the client as they are.")


class HiveCatalog(Section):
    """A Hive metastore."""

    type: Literal["hive"] = Field(description="The kind of catalog.")
    uri: str | SecretRef = Field(description="Address, as in thrift://metastore:9083.")
    warehouse: str | None = Field(default=None, description="Root of new tables.")
    properties: dict[str, str] = Field(default={}, description="Passed to the client as they are.")


class SqlCatalog(Section):
    """An Iceberg catalog in a SQL database; SQLite beside the local storage when no `uri` is given."""

    type: Literal["sql"] = Field(description="The kind of catalog.")
    uri: SecretRef | None = Field(default=None, description="Address of the database; it holds a password.")
    warehouse: str | None = Field(default=None, description="Root of new tables.")
    properties: dict[str, str] = Field(default={}, description="Passed to the client as they are.")


Catalog = Annotated[
    PolarisCatalog | RestCatalog | NessieCatalog | GlueCatalog | HiveCatalog | SqlCatalog, Field(discriminator="type")
]
