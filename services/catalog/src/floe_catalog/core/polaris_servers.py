"""The server of Polaris that the service administers, and which catalogs are on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from floe_catalog.errors import AccessNotAdministered, AccessUnsupported
from floe_contracts.artifacts import CompiledEnvironment
from floe_contracts.errors import Where

REALM_HEADER: Final = "Polaris-Realm"
_CATALOG: Final = "/api/catalog"
_MANAGEMENT: Final = "/api/management/v1"
_SETTINGS: Final = "FLOE_CATALOG_POLARIS_URI, FLOE_CATALOG_POLARIS_CLIENT_ID and FLOE_CATALOG_POLARIS_CLIENT_SECRET"


@dataclass(frozen=True, slots=True)
class PolarisServer:
    """A server of Polaris and who administers it.

    Attributes:
        uri: its root; the management API and the Iceberg REST API stand below.
        client_id: of the administrator.
        client_secret: of the administrator.
        realm: where the server has several.
    """

    uri: str
    client_id: str
    client_secret: SecretStr
    realm: str | None = None

    @property
    def catalog_uri(self) -> str:
        """What platform.yaml calls the `uri` of a catalog on this server."""
        return f"{self.uri.rstrip('/')}{_CATALOG}"

    @property
    def management_uri(self) -> str:
        """Below which principals, roles and grants are."""
        return f"{self.uri.rstrip('/')}{_MANAGEMENT}"


def administered(
    server: PolarisServer | None, environment: CompiledEnvironment, secrets: Callable[[str], str]
) -> PolarisServer:
    """`server`, if the catalog of an environment is on it.

    An administrator's credentials go to the server that the service's own settings name and to no other, whatever
    address a platform document holds.

    Raises:
        AccessUnsupported: the catalog is not one of Polaris.
        AccessNotAdministered: it is on another server or in another realm, or the service administers none.
        FloeError: the `uri` of the catalog is a secret that cannot be resolved.
    """
    catalog = environment.catalog
    where = Where("platform.yaml", path=f"catalogs.{catalog.name}")
    if catalog.type != "polaris":
        raise AccessUnsupported(
            f"unsupported: the catalog {catalog.name!r} is of type {catalog.type}; only polaris has roles and grants",
            where=where,
            hint="who may touch its tables is decided by the catalog's own means, and by the storage",
        )
    if server is None:
        raise AccessNotAdministered(
            f"the catalog service has no administrator's credentials for {catalog.name!r}",
            where=where,
            hint=f"set {_SETTINGS} where it runs",
        )
    uri = secrets(catalog.secrets["uri"]) if "uri" in catalog.secrets else str(catalog.properties["uri"])
    realm = catalog.properties.get("properties", {}).get(f"header.{REALM_HEADER}")
    if uri.rstrip("/") != server.catalog_uri or realm != server.realm:
        administers = server.catalog_uri + (f" in the realm {server.realm}" if server.realm else "")
        raise AccessNotAdministered(
            f"the catalog {catalog.name!r} is elsewhere: the catalog service administers {administers}",
            where=where,
            hint="see FLOE_CATALOG_POLARIS_URI and FLOE_CATALOG_POLARIS_REALM",
        )
    return server
