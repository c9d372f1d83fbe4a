"""The forms in which rows travel: JSON, one object a line, or Arrow's IPC stream."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, Protocol
from uuid import UUID

import pyarrow as pa


class RowForm(Protocol):
    """Turns batches into bytes; joined, they are one whole."""

    def take(self, batch: pa.RecordBatch) -> bytes:
        """The bytes of a batch."""
        ...

    def end(self) -> bytes:
        """What comes after the last batch."""
        ...


def row_form(name: Literal["json", "arrow"], schema: pa.Schema) -> RowForm:
    """What turns batches of a schema into this form."""
    return JsonLines() if name == "json" else ArrowStream(schema)


class JsonLines:
    """One JSON object a line.

    Decimals, times, intervals and ids are text, as JSON has nothing that would hold them; so are numbers that are none
    (`NaN`, `Infinity`). Bytes are base64.
    """

    def take(self, batch: pa.RecordBatch) -> bytes:
        lines = (json.dumps(as_json(row), ensure_ascii=False, separators=(",", ":")) for row in batch.to_pylist())
        return "".join(f"{line}\n" for line in lines).encode()

    def end(self) -> bytes:
        return b""


class ArrowStream:
    """Arrow's IPC stream: schema, batches, end."""

    def __init__(self, schema: pa.Schema) -> None:
        self._sink = _Sink()
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._sink, mode="w"), schema)

    def take(self, batch: pa.RecordBatch) -> bytes:
        self._writer.write_batch(batch)
        return self._sink.taken()

    def end(self) -> bytes:
        self._writer.close()
        return self._sink.taken()


class _Sink(io.RawIOBase):
    """Keeps what is written until it is taken; knows how much that was in all, as the format aligns by it."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._length += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._length

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def as_json(value: object) -> object:
    """A value of a row as JSON takes it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _not_finite(value)
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    for kinds, convert in _TEXTS:
        if isinstance(value, kinds):
            return convert(value)
    return str(value)


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"


_TEXTS: tuple[tuple[tuple[type, ...], Callable[[Any], str]], ...] = (
    ((datetime, date, time), lambda value: value.isoformat()),
    ((bytes,), lambda value: base64.b64encode(value).decode()),
    ((Decimal, UUID, timedelta), str),
)
