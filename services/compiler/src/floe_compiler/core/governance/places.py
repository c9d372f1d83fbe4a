"""Where a finding is to be mended: where a properties file speaks of the column or model, or else the model's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from floe_contracts.governance.reports import Place
from floe_contracts.nodes import Node
from floe_dbt.properties_files import Item, Position, read_positions


@dataclass(slots=True)
class Places:
    """The places in a project's files; a file is read when the first finding needs it.

    Attributes:
        files: text of each properties file, by its path from the dbt project's folder.
        folder: the dbt project's folder, from the product's.
    """

    files: Mapping[str, str]
    folder: str
    _read: dict[str, Mapping[Item, Position]] = field(default_factory=dict)
    _placed: dict[tuple[str, str | None], Place] = field(default_factory=dict)

    def of(self, node: Node, column: str | None) -> Place:
        """The place of a model or of one of its columns."""
        key = (node.unique_id, column)
        if key not in self._placed:
            self._placed[key] = self._find(node, column)
        return self._placed[key]

    def _find(self, node: Node, column: str | None) -> Place:
        patch = node.patch_path
        if patch is not None and patch in self.files:
            positions = self._positions(patch)
            for item in (("models", node.name, column), ("models", node.name, None)):
                if item in positions:
                    line, character = positions[item]
                    return Place(file=self._from_product(patch), line=line, column=character)
        return Place(file=self._from_product(node.path), line=1)

    def _positions(self, file: str) -> Mapping[Item, Position]:
        if file not in self._read:
            self._read[file] = read_positions(self.files[file])
        return self._read[file]

    def _from_product(self, file: str) -> str:
        return file if self.folder == "." else f"{self.folder}/{file}"
