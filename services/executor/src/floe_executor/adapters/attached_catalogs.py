"""The Iceberg REST catalog of an environment, as DuckDB attaches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from floe_contracts.artifacts import Catalog, CompiledEnvironment
from floe_contracts.attached_catalogs import is_attached
from floe_contracts.placeholders import PLACEHOLDER_PREFIX
from floe_dbt.attached_catalog import AttachedCatalog
from floe_lakehouse.extension_files import extension_file

_EXTENSIONS: Final = ("avro", "httpfs", "iceberg")
"""In the order in which they load: the last one needs the others."""
_PLACEHOLDER: Final = f"{PLACEHOLDER_PREFIX}ATTACHED_CATALOG__"
_SECRET_OPTIONS: Final = {
    "credentials.client_id": "client_id",
    "credentials.client_secret": "client_secret",
    "credentials.scope": "oauth2_scope",
    "credentials.server_uri": "oauth2_server_uri",
    "credentials.token": "token",
}
"""Properties of a catalog that DuckDB's secret of the type `iceberg` takes, by its names for them."""


def attached_catalog(environment: CompiledEnvironment) -> AttachedCatalog | None:
    """What DuckDB attaches in an environment; None where it attaches nothing.

    Raises:
        ExtensionMissing: an extension of DuckDB is not installed.
    """
    if not is_attached(environment):
        return None
    catalog = environment.catalog
    secret = {option: _value(catalog, path) for path, option in _SECRET_OPTIONS.items() if _is_given(catalog, path)}
    if "client_secret" in secret and "oauth2_server_uri" not in secret:
        secret["oauth2_server_uri"] = _tokens_of(_value(catalog, "uri"))
    storage = environment.storage.properties
    prefix = str(storage.get("prefix", "")).strip("/")
    return AttachedCatalog(
        endpoint=_value(catalog, "uri"),
        warehouse=str(catalog.properties.get("warehouse") or ""),
        secret=secret,
        storage=(f"s3://{storage['bucket']}/{prefix}".rstrip("/") + "/",),
        extensions=tuple(extension_file(name) for name in _EXTENSIONS),
    )


def attached_secrets(environment: CompiledEnvironment, secrets: Callable[[str], str]) -> dict[str, str]:
    """What the placeholders of the attached catalog stand for; only dbt's environment ever holds it."""
    if not is_attached(environment):
        return {}
    return {_variable(path): secrets(name) for path, name in sorted(environment.catalog.secrets.items())}


def _value(catalog: Catalog, path: str) -> str:
    if path in catalog.secrets:
        return f"{{{{ env_var('{_variable(path)}') }}}}"
    return str(_at(catalog.properties, path))


def _tokens_of(uri: str) -> str:
    """Where the protocol itself has tokens, for a catalog whose `credentials` name no server."""
    return f"{uri.rstrip('/')}/v1/oauth/tokens"


def _is_given(catalog: Catalog, path: str) -> bool:
    return path in catalog.secrets or _at(catalog.properties, path) is not None


def _variable(path: str) -> str:
    return _PLACEHOLDER + path.rpartition(".")[2].upper()


def _at(properties: Mapping[str, Any], path: str) -> str | None:
    value: Any = properties
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return None if value is None else str(value)
