"""Receiving an upload: gunzipped while it comes in, so that a bomb is refused before it has unfolded."""

from __future__ import annotations

import zlib
from typing import BinaryIO, Final

from floe_gateway.core.archive_rules import Limits
from floe_gateway.errors import ArchiveInvalid, SubmissionTooLarge

_GZIP: Final = 31
_PIECE: Final = 1024 * 1024


class Upload:
    """One gzipped body on its way into a file."""

    def __init__(self, target: BinaryIO, limits: Limits) -> None:
        self._target = target
        self._limits = limits
        self._inflater = zlib.decompressobj(_GZIP)
        self._received = 0
        self._written = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next part of the body.

        Raises:
            SubmissionTooLarge: over the compressed or the unpacked limit.
            ArchiveInvalid: not gzip, or something follows the end of it.
        """
        self._received += len(chunk)
        if self._received > self._limits.compressed:
            raise SubmissionTooLarge(f"the body has more than {self._limits.compressed} bytes")
        while chunk:
            if self._inflater.eof:
                return self._check_padding(chunk)
            try:
                piece = self._inflater.decompress(chunk, _PIECE)
            except zlib.error as error:
                raise ArchiveInvalid(f"the body is not gzip: {error}", hint="send the output of tar -cz") from error
            self._written += len(piece)
            if self._written > self._limits.unpacked:
                raise SubmissionTooLarge(f"the archive unpacks to more than {self._limits.unpacked} bytes")
            self._target.write(piece)
            chunk = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
        return None

    def finish(self) -> None:
        """The body has ended.

        Raises:
            ArchiveInvalid: it is cut off.
        """
        if not self._inflater.eof:
            raise ArchiveInvalid("the body ends before its gzip stream does", hint="was the upload interrupted?")
        self._target.flush()

    def _check_padding(self, rest: bytes) -> None:
        # A second gzip stream in one body is legal, and nothing that packs a folder writes one.
        if rest.strip(b"\0"):
            raise ArchiveInvalid("something follows the gzip stream", hint="send one archive")
