"""Where DuckDB may read and write files of a table: a folder of this machine, or of an object store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import duckdb

from floe_lakehouse.errors import LakeUnsupported
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


def reach(connection: duckdb.DuckDBPyConnection, lakes: Sequence[Lake]) -> None:
    """Let an instance reach the files of `lakes`, and nothing else once its outside access is closed.

    Raises:
        LakeUnsupported: a store is one that DuckDB is not taught to write.
        ExtensionMissing: the extension that it takes is not installed.
    """
    remote = [lake for lake in lakes if local_path(lake.location) is None]
    for lake in remote:
        scheme = urlsplit(lake.location).scheme
        if scheme not in _S3_SCHEMES:
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
    given = lake.properties
    endpoint = urlsplit(given.get("s3.endpoint", ""))
    settings = {
        "KEY_ID": given.get("s3.access-key-id"),
        "SECRET": given.get("s3.secret-access-key"),
        "SESSION_TOKEN": given.get("s3.session-token"),
        "REGION": given.get("s3.region"),
        "ENDPOINT": f"{endpoint.netloc}{endpoint.path.rstrip('/')}" or None,
    }
    parts = ["TYPE s3", f"SCOPE {literal(lake.location)}"]
    parts += [f"{name} {literal(value)}" for name, value in settings.items() if value]
    if endpoint.netloc:
        style = "vhost" if given.get("s3.force-virtual-addressing") == "true" else "path"
        parts += [f"URL_STYLE '{style}'", f"USE_SSL {'false' if endpoint.scheme == 'http' else 'true'}"]
    return parts
