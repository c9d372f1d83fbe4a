"""The lineage backends that floe brings, as plugins."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AnyHttpUrl, BeforeValidator, Field, SecretStr, StringConstraints

from floe_contracts.plugins.metadata import API_VERSION, PluginMetadata, SecretReader
from floe_contracts.secret_refs import SecretRef
from floe_contracts.sections import Section
from floe_lineage.adapters.file_backend import FileBackend
from floe_lineage.adapters.http_backend import ENDPOINT, TIMEOUT_SECONDS, BatchSize, HttpBackend, HttpServer

KEEP: Final = 10
_MOST_IN_A_BATCH: Final = 1000


def _batch_size(value: Any) -> Any:
    """The words of YAML and of older documents: true is `auto`, false is `off`."""
    words = {"true": "auto", "false": "off", "auto": "auto", "off": "off"}
    word = str(value).lower()
    if word in words:
        return words[word]
    if not re.fullmatch(r"[0-9]{1,4}", word) or not 1 <= int(word) <= _MOST_IN_A_BATCH:
        raise ValueError(f"should be auto, off, or a number from 1 to {_MOST_IN_A_BATCH}")
    return int(word)


def _path(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("should begin with a slash, as in /api/v1/lineage")
    return value.rstrip("/")


Batch = Annotated[BatchSize, BeforeValidator(_batch_size, json_schema_input_type=str | int | bool)]
"""How many events go in one request."""
Endpoint = Annotated[str, AfterValidator(_path)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
BATCH_HELP: Final = (
    "How many events go in one request (OpenLineage 2.0.2): off is one, auto is many until the server answers that it "
    "has no such endpoint."
)


class FileOptions(Section):
    """Where the file is, and how large it may get."""

    path: str = Field(min_length=1, description="The file; its position stands in a file beside it.")
    max_bytes: int | None = Field(
        default=None, ge=1, description="A file that would get larger is put aside under a number; left out, none is."
    )
    keep: int = Field(default=KEEP, ge=0, description="How many files that were put aside are kept, the newest ones.")


class FilePlugin:
    """A file of JSON lines."""

    metadata = PluginMetadata("file", "1.1.0", API_VERSION, "A file of JSON lines, every event once.")
    options = FileOptions

    def backend(self, options: FileOptions, secrets: SecretReader) -> FileBackend:
        del secrets
        return FileBackend(Path(options.path), max_bytes=options.max_bytes, keep=options.keep)


class HttpOptions(Section):
    """Where the server is, and what it takes."""

    url: AnyHttpUrl = Field(description="Address of the server.")
    endpoint: Endpoint = Field(
        default=ENDPOINT, description="Path that takes single events; batches go to /batch below it."
    )
    api_key: SecretRef | None = Field(default=None, description="What opens it: a bearer token.")
    api_key_header: HeaderName | None = Field(
        default=None, description="The header that takes the key as it is, where it is no bearer token."
    )
    batch: Batch = Field(default="auto", description=BATCH_HELP)
    gzip: bool = Field(default=False, description="Whether bodies are compressed; not every server reads that.")
    timeout: float = Field(
        default=TIMEOUT_SECONDS, gt=0, le=600, description="Seconds until a request counts as failed."
    )


class HttpPlugin:
    """An OpenLineage server."""

    metadata = PluginMetadata("http", "1.1.0", API_VERSION, "An OpenLineage server over HTTP.")
    options = HttpOptions

    def backend(self, options: HttpOptions, secrets: SecretReader) -> HttpBackend:
        token = SecretStr(secrets(options.api_key.secret_ref)) if options.api_key else None
        return HttpBackend(
            HttpServer(
                url=str(options.url),
                endpoint=options.endpoint,
                token=token,
                token_header=options.api_key_header,
                batch=options.batch,
                compress=options.gzip,
                timeout=options.timeout,
            )
        )
