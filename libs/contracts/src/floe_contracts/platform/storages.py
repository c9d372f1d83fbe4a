"""Where tables are stored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from floe_contracts.platform.credentials import StorageCredentials
from floe_contracts.sections import Section


class _ObjectStorage(Section):
    prefix: str = Field(default="", description="Before every path in it.")
    credentials: StorageCredentials | None = Field(
        default=None, description="Left out, the catalog vends them, or the worker's own hold."
    )


class S3Storage(_ObjectStorage):
    """A bucket of S3, or of a server that speaks S3."""

    type: Literal["s3"] = Field(description="The kind of storage.")
    bucket: str = Field(min_length=3, max_length=63, description="The bucket.")
    region: str | None = Field(default=None, description="Its region.")
    endpoint: str | None = Field(default=None, description="Address of the server, where it is not AWS.")
    path_style_access: bool = Field(default=False, description="Whether the bucket stands in the path.")


class GcsStorage(_ObjectStorage):
    """A bucket of Google Cloud Storage."""

    type: Literal["gcs"] = Field(description="The kind of storage.")
    bucket: str = Field(min_length=3, max_length=222, description="The bucket.")
    project: str | None = Field(default=None, description="The project that pays.")


class AzureStorage(_ObjectStorage):
    """A container of Azure Blob Storage."""

    type: Literal["azure"] = Field(description="The kind of storage.")
    account: str = Field(min_length=3, max_length=24, description="The storage account.")
    container: str = Field(min_length=3, max_length=63, description="The container.")


class LocalStorage(Section):
    """A folder of the machine; the executor's settings say where."""

    type: Literal["local"] = Field(description="The kind of storage.")


Storage = Annotated[S3Storage | GcsStorage | AzureStorage | LocalStorage, Field(discriminator="type")]
