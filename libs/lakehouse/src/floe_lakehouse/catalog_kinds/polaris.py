"""The plugin `polaris`: Apache Polaris."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field
from pyiceberg.catalog import Catalog

from floe_contracts.plugins.metadata import API_VERSION, PluginMetadata
from floe_lakehouse.catalog_kinds.rest import RestOptions, open_rest


class PolarisOptions(RestOptions):
    """As of any server of the protocol; what Polaris calls a catalog is the warehouse."""

    warehouse: str = Field(description="The catalog in Polaris.")
    scope: str = Field(default="PRINCIPAL_ROLE:ALL", description="The roles that a token is asked for.")


class PolarisPlugin:
    """Apache Polaris."""

    metadata = PluginMetadata("polaris", "1.0.0", API_VERSION, "Apache Polaris.")
    options = PolarisOptions

    def open(self, name: str, options: PolarisOptions, properties: Mapping[str, str]) -> Catalog:
        return open_rest(name, options, options.uri, properties)
