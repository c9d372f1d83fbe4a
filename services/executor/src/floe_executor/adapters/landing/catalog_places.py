"""Where an environment's tables stand and are registered, in pyiceberg's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from floe_contracts.artifacts import CompiledEnvironment, Storage
from floe_contracts.errors import Where
from floe_lakehouse.errors import LakeKeysInvalid, LakeUnsupported


def catalog_properties(
    environment: CompiledEnvironment, local: Mapping[str, str], secrets: Callable[[str], str]
) -> dict[str, str]:
    """What `open_catalog` takes for an environment whose catalog is `sql` and whose storage is `local` or `s3`.

    Args:
        environment: the environment, as compiled.
        local: `uri` and `warehouse` of the executor's own settings, for what platform.yaml leaves out.
        secrets: resolves the names of secrets.

    Raises:
        LakeUnsupported: the storage is opened in a way that landings do not know.
        LakeKeysInvalid: the secret of the storage does not hold two keys.
        FloeError: a secret cannot be resolved.
    """
    catalog = environment.catalog
    uri = catalog.secrets.get("uri")
    store = _s3(environment.storage, secrets) if environment.storage.type == "s3" else {}
    return {
        **catalog.properties.get("properties", {}),
        **store,
        "type": catalog.type,
        "uri": secrets(uri) if uri else local["uri"],
        "warehouse": catalog.properties.get("warehouse") or _warehouse(environment.storage) or local["warehouse"],
    }


def _warehouse(storage: Storage) -> str | None:
    if storage.type != "s3":
        return None
    prefix = str(storage.properties.get("prefix", "")).strip("/")
    return f"s3://{storage.properties['bucket']}/{prefix}".rstrip("/")


def _s3(storage: Storage, secrets: Callable[[str], str]) -> dict[str, str]:
    given = storage.properties
    credentials = given.get("credentials", {})
    secret = storage.secrets.get("credentials")
    if secret is None or credentials.get("mode") != "static":
        raise LakeUnsupported(
            f"the storage {storage.name!r} has no static credentials, and landings write with no others",
            where=Where("platform.yaml", path=f"storage.{storage.name}.credentials"),
            hint="give it `mode: static` and the name of a secret that holds ACCESS_KEY:SECRET_KEY",
        )
    access_key, divided, secret_key = secrets(secret).strip().partition(":")
    if not (access_key and divided and secret_key):
        raise LakeKeysInvalid(
            f"the secret {secret!r} does not hold an access key and its secret key",
            where=Where("platform.yaml", path=f"storage.{storage.name}.credentials"),
            hint="let it be ACCESS_KEY:SECRET_KEY",
        )
    properties = {"s3.access-key-id": access_key, "s3.secret-access-key": secret_key}
    properties |= {
        name: str(given[ours]) for name, ours in (("s3.region", "region"), ("s3.endpoint", "endpoint")) if ours in given
    }
    if not given.get("path_style_access"):
        properties["s3.force-virtual-addressing"] = "true"
    return properties
