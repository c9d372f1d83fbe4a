"""From the files in a dbt target folder to floe's events, through the executor's own reader and its own builder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from dbt.artifacts.schemas.upgrades import upgrade_manifest

from floe_contracts.artifacts import Catalog, CompiledArtifacts, CompiledEnvironment, Compute, Storage
from floe_contracts.runs import RunRecord
from floe_dbt.nodes import read_nodes
from floe_executor.adapters.building.dbt_reports import ReportReader
from floe_executor.core.lineage import LineageEvent, RunLineage

Resource = Mapping[str, Any]

_LOGGED: Final = {"model": "LogModelResult", "snapshot": "LogSnapshotResult", "test": "LogTestResult"}


def events_of(folder: Path, record: RunRecord, artifact: CompiledArtifacts) -> list[LineageEvent]:
    """The events of the nodes that `run_results.json` tells of, in the order in which it does.

    Args:
        folder: a dbt project with its target folder.
        record: the run that is told of.
        artifact: what it runs; its environments are not looked at.
    """
    manifest = json.loads((folder / "target" / "manifest.json").read_text())
    results = json.loads((folder / "target" / "run_results.json").read_text())
    tools = artifact.tools.model_copy(update={"dbt_core": results["metadata"]["dbt_version"]})
    lineage = RunLineage(
        record,
        artifact.model_copy(update={"tools": tools}),
        _environment(folder, artifact.environments["dev"].manifest),
        read_nodes(_of_today(manifest, folder)),
    )
    reader = ReportReader(".", folder)
    reports = [reader.read(line) for result in results["results"] for line in _log(result, manifest["nodes"])]
    told = [lineage.of_report(report) for report in reports if report is not None]
    return [event for event in told if event is not None]


def _of_today(manifest: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A manifest of any version of dbt as today's writes it; what was never written is empty."""
    version = int(manifest["metadata"]["dbt_schema_version"].rpartition("/v")[2].removesuffix(".json"))
    manifest["disabled"] = {}  # a list in the oldest ones
    upgraded: dict[str, Any] = upgrade_manifest.upgrade_manifest_json(manifest, version) if version < 12 else manifest
    project = yaml.safe_load((folder / "dbt_project.yml").read_text())["name"]
    upgraded["metadata"].setdefault("project_name", project)
    return {"macros": {}, **upgraded}


def _environment(folder: Path, digest: str) -> CompiledEnvironment:
    (profile,) = yaml.safe_load((folder / "profiles.yml").read_text()).values()
    (target,) = profile["outputs"].values()
    address = {key: target[key] for key in ("host", "port", "project") if key in target}
    return CompiledEnvironment(
        refs=("*",),
        compute=Compute(name="warehouse", type=target["type"], threads=1, properties=address),
        storage=Storage(name="local", type="local"),
        catalog=Catalog(name="local", type="sql"),
        policies={},
        manifest=digest,
        nodes=digest,
    )


def _log(result: Resource, nodes: Mapping[str, Resource]) -> Iterator[dict[str, Any]]:
    """The lines of dbt's structured log that tell the same of a node as its result does."""
    unique_id = result["unique_id"]
    node = nodes[unique_id]
    begun, done = result["timing"][0]["started_at"], result["timing"][-1]["completed_at"]
    about = {"unique_id": unique_id, "resource_type": node["resource_type"], "node_started_at": begun}
    ended = about | {
        "materialized": node["config"].get("materialized"),
        "node_status": result["status"],
        "node_finished_at": done,
    }
    told = {"node_info": ended, "execution_time": result["execution_time"], "result_message": result["message"]}
    if result["failures"] is not None:
        told["num_failures"] = result["failures"]
    code = node.get("compiled_code") or node.get("compiled_sql")
    yield _line("LogStartLine", begun, {"node_info": about})
    yield _line("FloeNodeColumns", done, {"node_info": about, "compiled_code": code})
    yield _line(_LOGGED[node["resource_type"]], done, told)


def _line(name: str, at: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"info": {"name": name, "ts": at, "msg": name}, "data": data}
