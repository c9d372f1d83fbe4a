"""The data contracts among the files of a submission."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from floe_chassis.source_bundles import unpacked_paths
from floe_compiler.core.data_contracts.discovery import NamedContract, discover_contracts, ids_used_twice
from floe_compiler.core.data_contracts.reading import DataContract, read_contract
from floe_contracts.errors import DocumentInvalid, FloeError


async def read_contracts(folder: Path, named: Iterable[NamedContract]) -> tuple[DataContract, ...]:
    """Fulfils `ReadContracts`."""
    return await asyncio.to_thread(_read, folder, named)


def _read(folder: Path, named: Iterable[NamedContract]) -> tuple[DataContract, ...]:
    found = discover_contracts(unpacked_paths(folder), named)
    problems: list[FloeError] = list(found.problems)
    contracts: list[DataContract] = []
    for file in found.files:
        try:
            # Bytes that are not UTF-8 stay visible, so that reading refuses them.
            contracts.append(read_contract((folder / file).read_text("utf-8", "surrogateescape"), file))
        except DocumentInvalid as refusal:
            problems += refusal.problems
    problems += ids_used_twice(contracts)
    if problems:
        raise DocumentInvalid(problems)
    return tuple(contracts)
