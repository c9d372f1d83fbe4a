"""The plugin `glue`: the catalog of AWS Glue."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field
from pyiceberg.catalog import Catalog

from floe_contracts.plugins.metadata import API_VERSION, PluginMetadata
from floe_contracts.sections import Section
from floe_lakehouse.aws_sessions import in_role
from floe_lakehouse.locations import warehouse_location


class GlueOptions(Section):
    """Which catalog it is; without keys or a role (`client.*`), the worker opens it as what it is itself."""

    region: str = Field(alias="glue.region", description="Its region.")
    catalog_id: str | None = Field(default=None, alias="glue.id", description="The account, where it is another one.")
    warehouse: str | None = Field(default=None, description="A folder or a URI under which new tables stand.")
    retries: int = Field(default=10, alias="glue.max-retries", ge=0, description="How often a request is repeated.")


class GluePlugin:
    """AWS Glue; a namespace of several levels is one database (see `flat_namespaces`)."""

    metadata = PluginMetadata("glue", "1.0.0", API_VERSION, "AWS Glue.")
    options = GlueOptions

    def open(self, name: str, options: GlueOptions, properties: Mapping[str, str]) -> Catalog:
        from pyiceberg.catalog.glue import GlueCatalog

        from floe_lakehouse.catalog_kinds.flat_namespaces import FlatNamespaces

        class FlatGlue(FlatNamespaces, GlueCatalog):
            """Glue, with namespaces of several levels."""

        own = {"glue.region": options.region, "glue.max-retries": options.retries}
        if options.catalog_id:
            own["glue.id"] = options.catalog_id
        if options.warehouse:
            own["warehouse"] = warehouse_location(options.warehouse)
        return FlatGlue(name, **in_role({"client.region": options.region, **properties, **own}))
