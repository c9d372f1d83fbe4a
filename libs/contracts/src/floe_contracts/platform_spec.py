"""PlatformSpec: what a platform engineer writes in `platform.yaml`. It holds places, never secrets."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from floe_contracts.governance.rules import GovernanceRules
from floe_contracts.maintenance import Maintenance
from floe_contracts.platform.catalogs import Catalog
from floe_contracts.platform.computes import Compute
from floe_contracts.platform.environments import Environment
from floe_contracts.platform.inheritance import Inheritance, Parent, Scope
from floe_contracts.platform.services import BusReference, PlatformObservability
from floe_contracts.platform.storages import Storage
from floe_contracts.sections import EnvironmentName, ProductName, ProfileName, Section, Semver, Sentence

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
    description: Sentence = Field(default="", description="What it is, in a sentence.")


class PluginApproval(Section):
    """Which plugins the products of this platform may use; a group that is left out is open."""

    targets: tuple[str, ...] | None = Field(default=None, description="Kinds of compute.")
    catalogs: tuple[str, ...] | None = Field(default=None, description="Kinds of catalogs.")
    transforms: tuple[str, ...] | None = Field(default=None, description="Kinds of transforms.")
    lineage_backends: tuple[str, ...] | None = Field(default=None, description="Kinds of lineage backends.")
    secrets: tuple[str, ...] | None = Field(default=None, description="Kinds of secret stores.")


class PlatformSpec(Section):
    """One platform."""

    api_version: Literal["floe.dev/v1"] = Field(description="Version of this document's form.")
    kind: Literal["PlatformSpec"] = Field(description="Kind of this document.")
    metadata: PlatformMetadata
    scope: Scope | None = Field(default=None, description="How widely it holds; left out, it stands alone.")
    parent: Parent | None = Field(
        default=None, description="The document above, whose values hold where this is silent."
    )
    inheritance: Inheritance = Inheritance()
    environments: dict[EnvironmentName, Environment] = Field(min_length=1, description="Environments, by name.")
    compute: dict[ProfileName, Compute] = Field(min_length=1, description="Where the tables are built, by name.")
    storage: dict[ProfileName, Storage] = Field(min_length=1, description="Where they are stored, by name.")
    catalogs: dict[ProfileName, Catalog] = Field(min_length=1, description="Where they are registered, by name.")
    maintenance: Maintenance = Field(
        default=Maintenance(), description="How tables are kept small, where floe.yaml does not say it."
    )
    governance: GovernanceRules = Field(
        default=GovernanceRules(), description="The rules that every product follows at least."
    )
    bus: BusReference | None = Field(
        default=None, description="So far read by nobody: the settings of each service name it."
    )
    observability: PlatformObservability = Field(
        default=PlatformObservability(),
        description="Where services and runs tell what happens. So far only `lineage` and `attributes` are read.",
    )
    approved_plugins: PluginApproval = PluginApproval()
    approved_sinks: tuple[ProfileName, ...] | None = Field(
        default=None, description="Kinds of destinations that products may send to; left out, any."
    )
    approved_products: tuple[ProductName, ...] | None = Field(
        default=None, description="Products that may be compiled against this document; left out, any."
    )
