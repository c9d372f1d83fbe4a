"""The lineage backends that floe brings, as plugins."""

from __future__ import annotations

from pathlib import Path

from pydantic import AnyHttpUrl, Field, SecretStr

from floe_contracts.plugins.metadata import API_VERSION, PluginMetadata, SecretReader
from floe_contracts.secret_refs import SecretRef
from floe_contracts.sections import Section
from floe_lineage.adapters.file_backend import FileBackend
from floe_lineage.adapters.http_backend import HttpBackend


class FileOptions(Section):
    """Where the file is."""

    path: str = Field(min_length=1, description="The file; its position stands in a file beside it.")


class FilePlugin:
    """A file of JSON lines."""

    metadata = PluginMetadata("file", "1.0.0", API_VERSION, "A file of JSON lines, every event once.")
    options = FileOptions

    def backend(self, options: FileOptions, secrets: SecretReader) -> FileBackend:
        del secrets
        return FileBackend(Path(options.path))


class HttpOptions(Section):
    """Where the server is, and what it takes."""

    url: AnyHttpUrl = Field(description="Address of the server, without /api/v1/lineage.")
    api_key: SecretRef | None = Field(default=None, description="Bearer token.")
    batch: bool = Field(default=False, description="Whether it takes batches (OpenLineage 2.0.2).")


class HttpPlugin:
    """An OpenLineage server."""

    metadata = PluginMetadata("http", "1.0.0", API_VERSION, "An OpenLineage server over HTTP.")
    options = HttpOptions

    def backend(self, options: HttpOptions, secrets: SecretReader) -> HttpBackend:
        token = SecretStr(secrets(options.api_key.secret_ref)) if options.api_key else None
        return HttpBackend(str(options.url), token=token, batch=options.batch)
