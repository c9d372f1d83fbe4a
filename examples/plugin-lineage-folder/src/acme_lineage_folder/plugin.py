"""The plugin `folder`: a file for every event, named by its place in the stream, with a signature beside it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from floe_contracts.errors import Transient
from floe_contracts.plugins.lineage_backends import Answer, LineageEvent, Position
from floe_contracts.plugins.metadata import PluginMetadata, SecretReader
from floe_contracts.secret_refs import SecretRef
from floe_contracts.sections import Section


class FolderNotReady(Transient):
    """The folder cannot be made at the moment; the service tries again."""

    code = "ACME-FOLDER-001"
    title = "The folder of lineage cannot be opened"


class FolderOptions(Section):
    """What stands below `options` in platform.yaml; a `Section` refuses what it does not know."""

    path: str = Field(min_length=1, description="The folder.")
    signing_key: SecretRef | None = Field(default=None, description="Key of the signatures; left out, there are none.")


class FolderBackend:
    """Writes events. The same event written twice is one file, so that a redelivery does no harm."""

    most = 100

    def __init__(self, folder: Path, key: bytes | None) -> None:
        self._folder = folder
        self._key = key

    async def open(self) -> Position | None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FolderNotReady(f"{self._folder} cannot be made: {error.strerror}") from error
        return None  # the bus remembers what was acknowledged; more is not needed where writing twice does no harm

    async def send(self, events: Sequence[LineageEvent]) -> Answer:
        try:
            for event in events:
                self._write(f"{event.position.stored_at:020}-{event.position.sequence:012}.json", event.body)
        except OSError as error:
            return Answer(None, str(error))  # no answer: the same events come again
        return Answer(200)

    async def close(self) -> None:
        return None

    def _write(self, name: str, body: bytes) -> None:
        if self._key is not None:
            signature = hmac.new(self._key, body, hashlib.sha256).hexdigest()
            (self._folder / f"{name}.sig").write_text(signature)
        (self._folder / name).write_bytes(body)


class FolderPlugin:
    """What the entry point names. It is made without arguments, whenever a backend of this kind is wanted."""

    metadata = PluginMetadata("folder", "0.1.0", "1.0", "A folder with a file for every event.")
    options = FolderOptions

    def backend(self, options: FolderOptions, secrets: SecretReader) -> FolderBackend:
        key = secrets(options.signing_key.secret_ref).encode() if options.signing_key else None
        return FolderBackend(Path(options.path), key)
