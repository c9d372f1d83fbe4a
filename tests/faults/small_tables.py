"""Tables with many small files, of products that only the catalog service knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from floe_chassis.blobs import BlobStore
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.digests import canonical_json
from floe_contracts.events import ArtifactCompiled
from floe_contracts.nodes import NodeGraph
from floe_lakehouse.maintenance.orphan_files import remove_orphans
from floe_lakehouse.snapshots import RUN_ID

from .facts import ENVIRONMENT, TENANT

_SCHEMA: Final = pa.schema([("id", pa.int64())])
_FAR_FUTURE_MS: Final = 2**52


async def compiled_product(blobs: BlobStore, product: str, maintenance: dict[str, Any]) -> ArtifactCompiled:
    """The event of a product that declares no tables, with its policy; the blobs that it names are stored."""
    nodes = await blobs.put(canonical_json(NodeGraph(project="small", nodes=(), checks=()).model_dump(mode="json")))
    place = {
        "refs": ["*"],
        "compute": {"name": "duckdb", "type": "duckdb", "threads": 1},
        "storage": {"name": "local", "type": "local"},
        "catalog": {"name": "local", "type": "sql"},
        "policies": {},
        "manifest": nodes,
        "nodes": nodes,
        "maintenance": maintenance,
    }
    artifact = CompiledArtifacts.model_validate(
        {
            "product": {"name": product, "version": "1.0.0", "description": "", "owner": "me", "labels": {}},
            "sources": {"bundle": nodes, "platform": nodes},
            "tools": {"dbt_core": "1.11.16", "adapters": {"duckdb": "1.11.1"}},
            "transforms": [{"path": "dbt"}],
            "landing": ["table"],
            "serving": {"cube": True},
            "environments": {ENVIRONMENT: place},
        }
    )
    await blobs.put(canonical_json(artifact.to_document()))
    return ArtifactCompiled(
        tenant=TENANT,
        product=product,
        submission="first",
        artifact_digest=artifact.digest(),
        artifact=artifact.to_document(),
        seconds=0.1,
    )


@dataclass(frozen=True, slots=True)
class SmallTable:
    """A table of one column, written to in small commits."""

    catalog: Catalog
    product: str
    name: str

    @property
    def identifier(self) -> str:
        """Namespace and name."""
        return f"{TENANT}.{ENVIRONMENT}.{self.product}.main.{self.name}"

    def append(self, first: int, times: int = 1, run: str | None = None) -> None:
        """Commit one row so many times: the numbers from `first` on."""
        namespace = (TENANT, ENVIRONMENT, self.product, "main")
        for depth in range(1, len(namespace) + 1):
            self.catalog.create_namespace_if_not_exists(namespace[:depth])
        there = self.catalog.table_exists(self.identifier)
        table = self.load() if there else self.catalog.create_table(self.identifier, _SCHEMA)
        for number in range(first, first + times):
            rows = pa.table({"id": [number]}, schema=_SCHEMA)
            table.append(rows, snapshot_properties={RUN_ID: run} if run else {})

    def load(self) -> Table:
        """The table as it is now."""
        return self.catalog.load_table(self.identifier)

    def rows(self) -> list[int]:
        """Its numbers, sorted, as any reader finds them."""
        return sorted(self.load().scan().to_arrow()["id"].to_pylist())

    def files(self) -> int:
        """How many data files the current snapshot has."""
        return len(self.load().inspect.data_files())

    def sweep(self) -> int:
        """Remove what no snapshot holds, however young it is; how many files that were."""
        identifier = tuple(self.identifier.split("."))
        report = remove_orphans(self.catalog, identifier, _FAR_FUTURE_MS, fence=lambda: None)
        assert report.outcome in ("done", "nothing_to_do"), report
        return len(report.removed)

    def unheld(self) -> set[Path]:
        """The files on the disk that the table does not need, found without floe."""
        table = self.load()
        needed = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
        for snapshot in table.snapshots():
            needed.add(snapshot.manifest_list)
            for manifest in snapshot.manifests(table.io):
                needed.add(manifest.manifest_path)
                needed.update(entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io))
        folder = Path(table.location().removeprefix("file://"))
        files = {file for file in folder.rglob("*") if file.is_file()}
        return files - {Path(file.removeprefix("file://")) for file in needed}
