"""Where DuckDB may read and write files of a table: a folder of this machine, or of an object store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import duckdb

from floe_lakehouse.aws_sessions import Keys, store_keys
from floe_lakehouse.errors import CatalogDriverMissing, LakeUnsupported
from floe_lakehouse.extension_files import load_extension
from floe_lakehouse.locations import duckdb_target, local_path
from floe_lakehouse.sql_text import literal

_S3_SCHEMES: Final = ("s3", "s3a", "s3n")


@dataclass(frozen=True, slots=True)
class Lake:
    """A folder of the lake, and how its store is reached.

    Attributes:
        location: the URI of the folder.
        properties: those of pyiceberg's FileIO for it (`s3.endpoint`, `s3.access-key-id`, ...).
    """

    location: str
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)


def is_reachable(location: str) -> bool:
    """Whether DuckDB is taught to read and write what stands at `location`."""
    return local_path(location) is not None or urlsplit(location).scheme in _S3_SCHEMES


def reach(connection: duckdb.DuckDBPyConnection, lakes: Sequence[Lake]) -> None:
    """Let an instance reach the files of `lakes`, and nothing else once its outside access is closed.

    Raises:
        LakeUnsupported: a store is one that DuckDB is not taught to write.
        ExtensionMissing: the extension that it takes is not installed.
    """
    remote = [lake for lake in lakes if local_path(lake.location) is None]
    for lake in remote:
        if not is_reachable(lake.location):
            scheme = urlsplit(lake.location).scheme
            raise LakeUnsupported(
                f"tables cannot be landed under {scheme}://", hint="let the storage be local or s3 in platform.yaml"
            )
    if remote:
        load_extension(connection, "httpfs")
    for place, lake in enumerate(remote):
        connection.execute(f"CREATE SECRET floe_lake_{place} ({', '.join(_secret(lake))})")
    folders = ", ".join(literal(duckdb_target(lake.location)) for lake in lakes)
    connection.execute(f"SET allowed_directories = [{folders}]")


def _secret(lake: Lake) -> list[str]:
    given, keys = lake.properties, _keys(lake)
    endpoint = urlsplit(given.get("s3.endpoint", ""))
    settings = {
        "KEY_ID": keys.access_key if keys else None,
        "SECRET": keys.secret_key if keys else None,
        "SESSION_TOKEN": keys.session_token if keys else None,
        "REGION": given.get("s3.region"),
        "ENDPOINT": f"{endpoint.netloc}{endpoint.path.rstrip('/')}" or None,
    }
    parts = ["TYPE s3", f"SCOPE {literal(lake.location)}"]
    parts += [f"{name} {literal(value)}" for name, value in settings.items() if value]
    if endpoint.netloc:
        style = "vhost" if given.get("s3.force-virtual-addressing") == "true" else "path"
        parts += [f"URL_STYLE '{style}'", f"USE_SSL {'false' if endpoint.scheme == 'http' else 'true'}"]
    return parts


def _keys(lake: Lake) -> Keys | None:
    try:
        return store_keys(lake.properties)
    except ModuleNotFoundError as error:
        raise CatalogDriverMissing(
            f"{lake.location} is opened without given keys, and that needs the module {error.name!r}",
            hint="install floe-lakehouse[metastores], or give the storage static credentials",
        ) from error
