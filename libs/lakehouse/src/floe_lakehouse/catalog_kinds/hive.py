"""The plugin `hive`: a Hive metastore."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field
from pyiceberg.catalog import Catalog

from floe_contracts.plugins.metadata import API_VERSION, PluginMetadata
from floe_contracts.sections import Section
from floe_lakehouse.locations import warehouse_location


class HiveOptions(Section):
    """Where the metastore is."""

    uri: str = Field(description="Address, as in thrift://metastore:9083.")
    warehouse: str | None = Field(default=None, description="A folder or a URI under which new tables stand.")


class HivePlugin:
    """A Hive metastore; a namespace of several levels is one database (see `flat_namespaces`)."""

    metadata = PluginMetadata("hive", "1.0.0", API_VERSION, "A Hive metastore.")
    options = HiveOptions

    def open(self, name: str, options: HiveOptions, properties: Mapping[str, str]) -> Catalog:
        from pyiceberg.catalog.hive import HiveCatalog

        from floe_lakehouse.catalog_kinds.flat_namespaces import FlatNamespaces

        class FlatHive(FlatNamespaces, HiveCatalog):
            """Hive, with namespaces of several levels."""

        place = {"warehouse": warehouse_location(options.warehouse)} if options.warehouse else {}
        return FlatHive(name, **{**properties, "uri": options.uri, **place})
