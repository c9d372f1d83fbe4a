"""Catalogs as an artifact names them: their properties, and handles that belong to one tenant each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from pyiceberg.catalog import Catalog

from floe_contracts.artifacts import Catalog as CompiledCatalog
from floe_contracts.artifacts import CompiledEnvironment, Storage
from floe_contracts.errors import Where
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.errors import LakeKeysInvalid

SecretReader: TypeAlias = Callable[[str], str]

_REST: Final = frozenset({"nessie", "polaris", "rest"})
_S3_SETTINGS: Final = (("s3.region", "region"), ("s3.endpoint", "endpoint"))


def catalog_properties(
    environment: CompiledEnvironment, local: Mapping[str, str], secrets: SecretReader
) -> dict[str, str]:
    """What `open_catalog` takes for the catalog and the storage of an environment.

    Args:
        environment: the environment, as compiled.
        local: `uri` and `warehouse` of the service's own settings, for what platform.yaml leaves out of a catalog that
            is not a server of its own.
        secrets: tells secrets by name.

    Raises:
        LakeKeysInvalid: a secret does not hold two keys.
        FloeError: there is no such secret.
    """
    given = _Given("catalogs", environment.catalog, secrets)
    kind = environment.catalog.type
    properties = {**environment.catalog.properties.get("properties", {}), **_storage(environment.storage, secrets)}
    if kind in _REST:
        return properties | client_properties(environment.catalog, secrets) | _signed(given, environment.storage)
    warehouse = given.value("warehouse") or _warehouse(environment.storage) or local["warehouse"]
    properties |= {"type": kind, "warehouse": warehouse}
    if kind == "sql":
        return properties | {"uri": given.value("uri") or local["uri"]}
    if kind == "glue":
        return (
            properties
            | _told({"glue.region": given.value("region"), "glue.id": given.value("catalog_id")})
            | (_aws_client(given, given.value("region")))
        )
    return properties | _told({"uri": given.value("uri")})


def client_properties(catalog: CompiledCatalog, secrets: SecretReader) -> dict[str, str]:
    """What a catalog of the REST protocol is opened with, without what opens its storage.

    Raises:
        FloeError: there is no such secret.
    """
    given = _Given("catalogs", catalog, secrets)
    client, secret = given.value("credentials.client_id"), given.value("credentials.client_secret")
    return _told(
        {
            "type": catalog.type,
            "uri": given.value("uri"),
            "warehouse": given.value("warehouse"),
            "namespace": given.value("namespace"),
            "branch": given.value("branch"),
            "access-delegation": given.value("access_delegation"),
            "token-refresh-enabled": given.value("token_refresh_enabled"),
            "credential": f"{client or ''}:{secret}" if secret else None,
            "scope": given.value("credentials.scope"),
            "oauth2-server-uri": given.value("credentials.server_uri"),
            "token": given.value("credentials.token"),
        }
    )


@dataclass(frozen=True, slots=True)
class _Opened:
    properties: Mapping[str, str] = field(repr=False)
    catalog: Catalog


class CatalogHandles:
    """Opened catalogs, each for one tenant, environment and profile. Any number of threads may use them.

    A handle is opened with the secrets of its tenant, and never given to another one, whatever the two have in common.
    It is opened anew once a secret or the environment's profile has changed.
    """

    def __init__(self, local: Mapping[str, str], secrets: Callable[[str], SecretReader]) -> None:
        """Nothing is opened yet.

        Args:
            local: as in `catalog_properties`.
            secrets: what tells the secrets of a tenant.
        """
        self._local = dict(local)
        self._secrets = secrets
        self._guard = threading.Lock()
        self._opening: dict[tuple[str, ...], threading.Lock] = {}
        self._opened: dict[tuple[str, ...], _Opened] = {}

    def open(self, tenant: str, environment_name: str, environment: CompiledEnvironment) -> Catalog:
        """The catalog of an environment of a tenant; blocks while it is opened.

        Raises:
            CatalogMisconfigured: it cannot be opened with what platform.yaml says.
            CatalogUnreachable: it does not answer.
            CatalogRefused: it does not take the credentials.
            CatalogDriverMissing: a package that its kind needs is not installed.
            LakeKeysInvalid: a secret does not hold two keys.
            FloeError: there is no such secret.
        """
        properties = catalog_properties(environment, self._local, self._secrets(tenant))
        key = (tenant, environment_name, environment.catalog.name, environment.storage.name)
        with self._guard:
            opening = self._opening.setdefault(key, threading.Lock())
        with opening:  # a catalog that does not answer holds up nobody else's
            opened = self._opened.get(key)
            if opened is None or opened.properties != properties:
                opened = self._opened[key] = _Opened(properties, open_catalog(properties))
            return opened.catalog


@dataclass(frozen=True, slots=True)
class _Given:
    """A profile of platform.yaml, its secrets told when they are asked for."""

    section: str
    profile: CompiledCatalog | Storage
    secrets: SecretReader = field(repr=False)

    def value(self, path: str) -> str | None:
        """A property by its dotted path; None where it is not given."""
        if path in self.profile.secrets:
            return self.secrets(self.profile.secrets[path])
        found: Any = self.profile.properties
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return None if found is None else str(found)

    def keys(self) -> tuple[str, str]:
        """The pair of static credentials.

        Raises:
            LakeKeysInvalid: the secret does not hold two keys.
        """
        secret = self.profile.secrets["credentials"]
        access_key, divided, secret_key = self.secrets(secret).strip().partition(":")
        if not (access_key and divided and secret_key):
            raise LakeKeysInvalid(
                f"the secret {secret!r} does not hold an access key and its secret key",
                where=Where("platform.yaml", path=f"{self.section}.{self.profile.name}.credentials"),
                hint="let it be ACCESS_KEY:SECRET_KEY",
            )
        return access_key, secret_key


def _told(properties: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in properties.items() if value is not None}


def _warehouse(storage: Storage) -> str | None:
    """The root of new tables in a bucket; None on this machine."""
    if storage.type != "s3":
        return None
    prefix = str(storage.properties.get("prefix", "")).strip("/")
    return f"s3://{storage.properties['bucket']}/{prefix}".rstrip("/")


def _storage(storage: Storage, secrets: SecretReader) -> dict[str, str]:
    """How pyiceberg opens the storage; without keys or a role, as what the worker itself is, or with vended ones."""
    if storage.type != "s3":
        return {}
    given = _Given("storage", storage, secrets)
    properties = _told({name: given.value(ours) for name, ours in _S3_SETTINGS})
    if given.value("path_style_access") != "True":
        properties["s3.force-virtual-addressing"] = "true"
    match given.value("credentials.mode"):
        case "static":
            properties["s3.access-key-id"], properties["s3.secret-access-key"] = given.keys()
        case "iam_role":
            properties |= _told({"s3.role-arn": given.value("credentials.role_arn")})
    return properties


def _signed(given: _Given, storage: Storage) -> dict[str, str]:
    """What signs the requests to a catalog whose credentials are of AWS."""
    mode = given.value("credentials.mode")
    if mode not in {"static", "iam_role", "service_account"}:
        return {}
    region = _told({"rest.signing-region": storage.properties.get("region")})
    chosen = given.profile.properties.get("properties", {})
    return {"rest.sigv4-enabled": "true", **region, **chosen, **_aws_client(given, storage.properties.get("region"))}


def _aws_client(given: _Given, region: str | None) -> dict[str, str]:
    """Who asks a catalog of AWS."""
    properties = _told({"client.region": region})
    match given.value("credentials.mode"):
        case "static":
            properties["client.access-key-id"], properties["client.secret-access-key"] = given.keys()
        case "iam_role":
            properties |= _told({"client.role-arn": given.value("credentials.role_arn")})
    return properties
