"""Taking the rows that the catalog service sends."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

from floe_chassis.requests import OnData
from floe_cli.catalog.asking import catalog_of
from floe_cli.errors import FileUnusable
from floe_contracts.catalog_requests import READ_TABLE, ReadTable, TableRows


def read_rows(path: Path, environment: str | None, request: ReadTable) -> tuple[TableRows, list[dict[str, Any]]]:
    """The rows as JSON values; raises what `Catalog.ask` raises."""
    received = bytearray()
    answer = asyncio.run(_read(path, environment, request, received.extend))
    return answer, [json.loads(line) for line in received.splitlines()]


def write_arrow(path: Path, environment: str | None, request: ReadTable, file: Path) -> TableRows:
    """Write the rows as a stream of Arrow's IPC format; the file is there only once it is whole.

    Raises:
        FileUnusable: it cannot be written there.
        FloeError: what `Catalog.ask` raises.
    """
    partial = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            answer = asyncio.run(_read(path, environment, request, lambda data: _write(stream, data)))
        partial.replace(file)
    except OSError as error:
        raise FileUnusable(f"{file} cannot be written: {error.strerror}", hint="name another place") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return answer


def _write(stream: Any, data: bytes) -> None:
    stream.write(data)


async def _read(path: Path, environment: str | None, request: ReadTable, on_data: OnData) -> TableRows:
    async with catalog_of(path, environment) as catalog:
        return await catalog.ask(READ_TABLE, request, on_data)
