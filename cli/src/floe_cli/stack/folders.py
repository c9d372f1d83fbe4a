"""What stands where under a product's `.floe`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from floe_contracts.subjects import escape


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach a bus and its blobs."""

    nats_url: str
    blobs_url: str | None
    tenant: str = "default"


@dataclass(frozen=True, slots=True)
class RunningStack:
    """What a running embedded stack says of itself in `stack.json`."""

    pid: int
    nats_url: str


@dataclass(frozen=True, slots=True)
class StackFolder:
    """The folder of an embedded stack."""

    root: Path

    @property
    def bus(self) -> Path:
        """The store of nats-server."""
        return self.root / "bus"

    @property
    def blobs_url(self) -> str:
        """The blob store."""
        return f"file://{self.root / 'blobs'}"

    @property
    def log(self) -> Path:
        """The log of the stack."""
        return self.root / "floe.log"

    @property
    def lineage(self) -> Path:
        """Where the lineage service's file backend writes."""
        return self.root / "lineage.jsonl"

    @property
    def serve(self) -> Path:
        """Where the catalog service writes what readers such as Cube open."""
        return self.root / "serve"

    @property
    def cube_secret(self) -> Path:
        """The key of the Cube that runs beside the stack."""
        return self.root / "cube" / "secret"

    def serve_database(self, tenant: str, environment: str, product: str) -> Path:
        """The views over what has landed of a product."""
        return self.serve.joinpath(*map(escape, (tenant, environment, product)), "serve.duckdb")

    def address(self, nats_url: str) -> Address:
        """How to reach this stack when its bus is at `nats_url`."""
        return Address(nats_url, self.blobs_url)

    def running(self) -> RunningStack | None:
        """The stack that runs on this folder, if one does."""
        try:
            found = RunningStack(**json.loads((self.root / "stack.json").read_text()))
            os.kill(found.pid, 0)
        except (OSError, ValueError, TypeError):
            return None
        return found

    def announce(self, stack: RunningStack) -> None:
        """Say that a stack runs here."""
        temporary = self.root / "stack.json.new"
        temporary.write_text(json.dumps(asdict(stack)))
        temporary.replace(self.root / "stack.json")

    def withdraw(self) -> None:
        """Say that no stack runs here any more."""
        (self.root / "stack.json").unlink(missing_ok=True)

    def environment(self, nats_url: str) -> dict[str, str]:
        """The settings of all services of the embedded stack."""
        lake = self.root / "lake"
        catalog = f"sqlite:///{self.root / 'catalog.db'}"
        return {
            "FLOE_NATS_URL": nats_url,
            "FLOE_BLOBS_URL": self.blobs_url,
            "FLOE_WORK_DIR": str(self.root / "work"),
            "FLOE_LINEAGE_FILE": str(self.lineage),
            "FLOE_EXECUTOR_WAREHOUSE_DIR": str(self.root / "warehouse"),
            "FLOE_EXECUTOR_CATALOG_URI": catalog,
            "FLOE_EXECUTOR_CATALOG_WAREHOUSE": f"file://{lake}",
            "FLOE_EXECUTOR_DAGSTER_HOME": str(self.root / "dagster"),
            "FLOE_CATALOG_URI": catalog,
            "FLOE_CATALOG_WAREHOUSE": f"file://{lake}",
            "FLOE_CATALOG_SERVE_DIR": str(self.serve),
        }


def stack_folder(product: Path) -> StackFolder:
    """The stack folder of a product's folder."""
    return StackFolder(product.resolve() / ".floe")
