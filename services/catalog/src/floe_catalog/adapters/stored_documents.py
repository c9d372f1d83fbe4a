"""Documents of a bucket, written by compare-and-set."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import KeyDeletedError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from floe_catalog.errors import RecordChanged
from floe_chassis.key_values import entries_below, forget
from floe_contracts.data import Data
from floe_contracts.errors import ContractError, Unreachable

DocumentT = TypeVar("DocumentT", bound=Data)

_TRIES: Final = 8
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stored(Generic[DocumentT]):
    """A document, and the revision of its key: 0 where nothing ever stood, that of the deletion where it is gone."""

    document: DocumentT | None
    revision: int


class StoredDocuments(Generic[DocumentT]):
    """The documents of one kind in a bucket, by key."""

    def __init__(self, model: type[DocumentT], bucket: Callable[[], Awaitable[KeyValue]]) -> None:
        """Work on the bucket that `bucket` opens."""
        self._model = model
        self._open = bucket

    async def read(self, key: str) -> Stored[DocumentT]:
        """What stands under a key.

        Raises:
            ContractError: another major of floe wrote it.
            Unreachable: the bus does not answer.
        """
        try:
            entry = await (await self._open()).get(key)
        except KeyDeletedError as deleted:
            return Stored(None, deleted.entry.revision or 0)
        except KeyNotFoundError:
            return Stored(None, 0)
        except (NatsError, OSError, TimeoutError) as error:
            raise _unreachable(key, error) from error
        return Stored(_read(self._model, entry), entry.revision or 0)

    async def below(self, pattern: str) -> list[DocumentT]:
        """All whose keys match a subject pattern, in the order of the keys; those that cannot be read are left out.

        Raises:
            Unreachable: the bus does not answer.
        """
        found: list[DocumentT] = []
        for entry in await entries_below(await self._open(), pattern):
            try:
                found.append(_read(self._model, entry))
            except ContractError as error:  # one that a newer floe wrote must not hide the others
                _log.warning("a document cannot be read", key=entry.key, error=str(error))
        return found

    async def write(self, key: str, document: DocumentT, last: int) -> bool:
        """Write over the revision `last`; False if another one stands there by now.

        Raises:
            Unreachable: the bus does not answer; it may have been written.
        """
        bucket = await self._open()
        content = document.model_dump_json(exclude_none=True).encode()
        try:
            if last:
                await bucket.update(key, content, last=last)
            else:
                await bucket.create(key, content)
        except KeyWrongLastSequenceError:
            return False
        except (NatsError, OSError, TimeoutError) as error:
            raise _unreachable(key, error) from error
        return True

    async def forget(self, key: str, last: int) -> bool:
        """Have nothing stand under a key, if that is the revision `last` still; False if another one stands there.

        Raises:
            Unreachable: the bus does not answer; it may have been forgotten.
        """
        try:
            await forget(await self._open(), key, last=last)
        except KeyWrongLastSequenceError:
            return False
        except (NatsError, OSError, TimeoutError) as error:
            raise _unreachable(key, error) from error
        return True

    async def change(self, key: str, change: Callable[[DocumentT | None], DocumentT | None]) -> DocumentT | None:
        """Write what `change` makes of a document; asked again when somebody else was faster, None leaves it.

        Returns:
            What stands there now.

        Raises:
            RecordChanged: others were faster every time.
            Unreachable: the bus does not answer.
        """
        for _ in range(_TRIES):
            stored = await self.read(key)
            after = change(stored.document)
            if after is None or after == stored.document:
                return stored.document
            if await self.write(key, after, stored.revision):
                return after
        raise RecordChanged(f"{key} changes faster than it can be written")


def _read(model: type[DocumentT], entry: KeyValue.Entry) -> DocumentT:
    try:
        return model.model_validate_json(entry.value or b"", extra="ignore")
    except ValueError as error:
        raise ContractError(f"{entry.key} of {entry.bucket} cannot be read: {type(error).__name__}") from error


def _unreachable(key: str, error: Exception) -> Unreachable:
    return Unreachable(f"what stands under {key} cannot be asked for: {error or type(error).__name__}")
