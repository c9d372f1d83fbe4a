"""The blob store: bytes addressed by their digest, verified when read (DESIGN section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from floe_chassis.errors import SettingInvalid
from floe_contracts.digests import PREFIX, digest_of, is_digest
from floe_contracts.errors import BlobCorrupt, BlobMissing, ContractError, Unreachable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_HINT: Final = "file:///folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
_SCHEMES: Final = frozenset({"file", "s3", "s3a", "gs", "az", "azure", "abfs", "abfss"})


class BlobStore:
    """Blobs in a folder or a bucket, under the keys `sha256/<hex digits>`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, content: bytes) -> str:
        """Store `content` unless it is there, and return its digest.

        Raises:
            Unreachable: the store does not take it.
        """
        import obstore

        digest = digest_of(content)
        if not await self.has(digest):
            try:
                await obstore.put_async(self._store, _key(digest), content)
            except (obstore.exceptions.BaseError, OSError) as error:
                raise _unreachable(error) from error
        return digest

    async def get(self, digest: str) -> bytes:
        """The content with that digest, verified.

        Raises:
            BlobMissing: it is not in the store.
            BlobCorrupt: the bytes found have another digest.
            ContractError: `digest` is not spelled like one.
            Unreachable: the store does not answer.
        """
        import obstore

        try:
            found = await obstore.get_async(self._store, _key(digest))
            content = bytes(await found.bytes_async())
        except (FileNotFoundError, obstore.exceptions.NotFoundError) as error:
            raise BlobMissing(f"{digest} is not in the blob store", hint="was it put into another store?") from error
        except (obstore.exceptions.BaseError, OSError) as error:
            raise _unreachable(error) from error
        if digest_of(content) != digest:
            raise BlobCorrupt(f"the blob {digest} has the digest {digest_of(content)}", hint="restore it from a backup")
        return content

    async def has(self, digest: str) -> bool:
        """Whether the store has a blob of that digest.

        Raises:
            ContractError: `digest` is not spelled like one.
            Unreachable: the store does not answer.
        """
        import obstore

        try:
            await obstore.head_async(self._store, _key(digest))
        except (FileNotFoundError, obstore.exceptions.NotFoundError):
            return False
        except (obstore.exceptions.BaseError, OSError) as error:
            raise _unreachable(error) from error
        return True


def open_blobs(url: str | None) -> BlobStore:
    """The blob store at `url`; a folder is made if it is not there. Credentials of buckets come from the environment.

    Raises:
        SettingInvalid: no URL, or one that names no store.
    """
    if not url:
        raise SettingInvalid("FLOE_BLOBS_URL is not set", hint=_HINT)
    import obstore
    from obstore.store import LocalStore, from_url

    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or (parts.scheme == "file" and (parts.netloc or not parts.path)):
        raise SettingInvalid(f"FLOE_BLOBS_URL: {parts.scheme or 'no scheme'} names no blob store", hint=_HINT)
    try:
        if parts.scheme == "file":
            return BlobStore(LocalStore(unquote(parts.path), mkdir=True))
        return BlobStore(from_url(url))
    except (obstore.exceptions.BaseError, OSError, ValueError) as error:
        raise SettingInvalid(f"FLOE_BLOBS_URL: {_first_line(error)}", hint=_HINT) from error


def _key(digest: str) -> str:
    if not is_digest(digest):
        raise ContractError(f"{digest!r} is not a digest", hint="sha256: and 64 hex digits")
    return f"sha256/{digest.removeprefix(PREFIX)}"


def _unreachable(error: Exception) -> Unreachable:
    return Unreachable(f"the blob store does not answer: {_first_line(error)}", hint="check FLOE_BLOBS_URL")


def _first_line(error: Exception) -> str:
    # obstore's messages go on with a dump of its internals.
    return (str(error).splitlines() or [type(error).__name__])[0]
