"""What the catalog service is made of, put together once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from floe_catalog.adapters.catalog_calls import CatalogCalls
from floe_catalog.adapters.catalog_products import CatalogProducts
from floe_catalog.adapters.iceberg import IcebergLakehouse
from floe_catalog.adapters.table_states import TableStates
from floe_catalog.settings import CatalogSettings
from floe_catalog.tables.products import Products
from floe_catalog.tables.telling import Teller
from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.secrets import Secrets, of_tenants, open_secrets
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings, load_settings
from floe_chassis.topology import CATALOG_PRODUCTS_BUCKET, TABLES_BUCKET
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.compiled_catalogs import CatalogHandles


@dataclass(frozen=True, slots=True)
class Parts:
    """A catalog service that is not started yet, and what its families share.

    Attributes:
        service: reads, answers and works.
        chassis: settings that all services share.
        settings: its own.
        blobs: where artifacts are.
        local: place of the catalog that environments without a server of their own have; may hold a password.
        secrets: tells the secrets of a tenant.
        handles: opened catalogs, each of one tenant, environment and profile.
        calls: runs what blocks on a catalog off the event loop.
        lakehouse: what the tables' family asks of catalogs.
        records: which artifact each product is held to.
        products: the products, with what their artifacts say.
        states: what was told of each table.
        teller: tells what is new of a table.
    """

    service: Service
    chassis: ChassisSettings
    settings: CatalogSettings
    blobs: BlobStore
    local: Mapping[str, str] = field(repr=False)
    secrets: Callable[[str], Secrets] = field(repr=False)
    handles: CatalogHandles
    calls: CatalogCalls
    lakehouse: IcebergLakehouse
    records: CatalogProducts
    products: Products
    states: TableStates
    teller: Teller


def assemble(environment: Mapping[str, str]) -> Parts:
    """The parts of a catalog service with its settings from `environment`.

    Raises:
        SettingInvalid: a setting is missing or wrong.
    """
    chassis = load_settings(ChassisSettings, environment)
    settings = load_settings(CatalogSettings, environment)
    service = Service("catalog", chassis)
    blobs = open_blobs(chassis.blobs_url)
    local = {"uri": settings.uri.get_secret_value(), "warehouse": settings.warehouse}
    mounted = {"mounted": {"folder": str(settings.secrets_dir)}}
    secrets = of_tenants(open_secrets(chassis.secret_stores, environment, mounted))
    handles = CatalogHandles(local, secrets)
    calls = CatalogCalls(handles, settings.call_seconds)
    lakehouse = IcebergLakehouse(calls, partial(open_catalog, {"type": "sql", **local}))
    records = CatalogProducts(partial(service.bus.key_value, CATALOG_PRODUCTS_BUCKET))
    states = TableStates(partial(service.bus.key_value, TABLES_BUCKET))
    products = Products(blobs, records, lakehouse)
    service.check("catalog", lakehouse.ping)
    service.on_stop(lakehouse.close)
    return Parts(
        service=service,
        chassis=chassis,
        settings=settings,
        blobs=blobs,
        local=local,
        secrets=secrets,
        handles=handles,
        calls=calls,
        lakehouse=lakehouse,
        records=records,
        products=products,
        states=states,
        teller=Teller(service.bus, lakehouse, states, products),
    )
