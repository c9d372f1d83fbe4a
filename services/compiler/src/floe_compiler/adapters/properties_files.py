"""The properties files of a dbt project, for the lines of findings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from floe_contracts.nodes import NodeGraph

_LARGEST: Final = 4 << 20
"""Bytes; a finding in a larger file gets the line of its model's file instead."""


def read_properties_files(folder: Path, graphs: Iterable[NodeGraph]) -> dict[str, str]:
    """The texts of the files that document the nodes of `graphs`, by their paths from the dbt project's `folder`.

    Files outside of the folder, too large ones, and those of packages that are not there are left out.
    """
    paths = sorted({node.patch_path for graph in graphs for node in graph.nodes if node.patch_path})
    inside = folder.resolve()
    texts: dict[str, str] = {}
    for path in paths:
        file = (inside / path).resolve()
        if file.is_relative_to(inside) and file.is_file() and file.stat().st_size <= _LARGEST:
            texts[path] = file.read_bytes().decode(errors="replace")
    return texts
