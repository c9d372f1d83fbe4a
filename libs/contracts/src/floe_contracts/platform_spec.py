"""PlatformSpec: what a platform engineer writes in `platform.yaml`. It holds places, never secrets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from floe_contracts.nodes import ClassificationName
from floe_contracts.sections import MEMORY_PATTERN, EnvironmentName, ProfileName, Section, Semver

PolicyAction = Literal["none", "mask", "redact", "restrict"]

DEFAULT_PLATFORM = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {name: embedded, version: 1.0.0, owner: floe}
environments:
  dev:
    refs: ["*"]
    profiles:
      default: {compute: duckdb, storage: local, catalog: local}
compute:
  duckdb: {type: duckdb}
storage:
  local: {type: local}
catalogs:
  local: {type: sql}
"""


class PlatformMetadata(Section):
    """Who owns the platform."""

    name: ProfileName = Field(description="Name of the platform.")
    version: Semver = Field(description="Semantic version of this document.")
    owner: str = Field(description="Whom to ask.")
    description: str = Field(default="", description="What it is, in a sentence.")


class Profiles(Section):
    """What one logical name means in one environment."""

    compute: ProfileName = Field(description="Name below `compute`.")
    storage: ProfileName = Field(description="Name below `storage`.")
    catalog: ProfileName = Field(description="Name below `catalogs`.")


class Policy(Section):
    """What happens to columns of one classification when they are served."""

    action: PolicyAction = Field(
        description="none: shown. mask: a fixed text instead. redact: null instead. restrict: not there."
    )
    requires_role: tuple[str, ...] = Field(default=(), description="Roles, any of which sees the column as it is.")


class Environment(Section):
    """One environment: its Git refs, its profiles, its policies."""

    refs: tuple[str, ...] = Field(default=("*",), description="Git refs that build in this environment; globs.")
    profiles: dict[ProfileName, Profiles] = Field(
        min_length=1, description="What the logical names of floe.yaml stand for."
    )
    policies: dict[ClassificationName, Policy] = Field(
        default={}, description="What happens to a classification; one that is left out is shown as it is."
    )


class DuckDbCompute(Section):
    """DuckDB in the worker."""

    type: Literal["duckdb"] = Field(description="The kind of compute.")
    threads: Annotated[int, Field(ge=1, le=64)] = Field(default=2, description="Threads of DuckDB.")
    memory_limit: Annotated[str, StringConstraints(pattern=MEMORY_PATTERN)] = Field(
        default="1GB", description="Memory of DuckDB."
    )


class LocalStorage(Section):
    """A folder of the machine; the executor's settings say where."""

    type: Literal["local"] = Field(description="The kind of storage.")


class SqlCatalog(Section):
    """An Iceberg catalog in a SQL database; SQLite beside the local storage."""

    type: Literal["sql"] = Field(description="The kind of catalog.")


class PlatformSpec(Section):
    """One platform."""

    api_version: Literal["floe.dev/v1"] = Field(description="Version of this document's form.")
    kind: Literal["PlatformSpec"] = Field(description="Kind of this document.")
    metadata: PlatformMetadata
    environments: dict[EnvironmentName, Environment] = Field(min_length=1, description="Environments, by name.")
    compute: dict[ProfileName, DuckDbCompute] = Field(min_length=1, description="Where the tables are built, by name.")
    storage: dict[ProfileName, LocalStorage] = Field(min_length=1, description="Where they are stored, by name.")
    catalogs: dict[ProfileName, SqlCatalog] = Field(min_length=1, description="Where they are registered, by name.")
