"""The main job, from the user's door: `floe run` on a copy of the example, and what is there afterwards."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import duckdb
import pytest
from e2e_project import EXAMPLE, FLOE, ROOT, copy_example, run_floe

pytestmark = [pytest.mark.bus, pytest.mark.dbt]


class Demo:
    """A completed run of the example."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        done = run_floe("run", folder, "--json")
        assert done.returncode == 0, done.stderr
        self.result: dict[str, Any] = json.loads(done.stdout)
        exported = run_floe("lineage", "export", "--run", self.result["run_id"], folder)
        assert exported.returncode == 0, exported.stderr
        self.lineage: list[dict[str, Any]] = [json.loads(line) for line in exported.stdout.splitlines()]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return Demo(copy_example(tmp_path_factory.mktemp("demo")))


def test_the_tables_can_be_read_from_serve_duckdb_once_the_stack_has_ended(demo: Demo) -> None:
    served = demo.folder / ".floe/serve/default/dev/orders/serve.duckdb"
    with duckdb.connect(str(served), read_only=True) as reader:
        shown = reader.execute("SELECT identifier, snapshot_id FROM floe_serve.tables").fetchall()
        assert sorted(shown) == sorted((table["identifier"], table["snapshot_id"]) for table in demo.result["tables"])
        for table in demo.result["tables"]:
            name = table["identifier"].rpartition(".")[2]
            assert reader.execute(f'SELECT count(*) FROM main."{name}"').fetchone() == (table["rows"],)


def test_the_guide_to_local_tables_shows_what_can_be_run(demo: Demo) -> None:
    guide = (ROOT / "docs/how-to/query-local-tables.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    assert "examples/orders/" in program
    done = subprocess.run(
        [sys.executable, "-c", program.replace("examples/orders/", f"{demo.folder}/")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "aurora" in done.stdout


def test_the_result_names_every_link_of_the_chain(demo: Demo) -> None:
    result = demo.result
    assert result["status"] == "completed"
    assert result["tenant"] == "default"
    assert result["environment"] == "dev"
    assert result["product"] == "orders"
    assert result["artifact_digest"].startswith("sha256:")
    assert result["cube_bundle_digest"].startswith("sha256:")
    assert {node["status"] for node in result["nodes"]} == {"success"}
    assert {table["identifier"].rpartition(".")[2] for table in result["tables"]} >= {
        "fct_orders",
        "fct_daily_revenue",
        "snap_products",
        "dim_customers",
        "countries",
    }
    assert result["lineage_events"] == len(demo.lineage)
    assert set(result["seconds"]) == {"compile", "run", "land", "total"}


READ_ROWS = """
import json, sys
from pyiceberg.catalog.sql import SqlCatalog
catalog = SqlCatalog("floe", uri=sys.argv[1], warehouse=sys.argv[2])
found = {}
for name in json.loads(sys.argv[3]):
    table = catalog.load_table(tuple(name.split(".")))
    snapshot = table.current_snapshot()
    found[name] = {"rows": table.scan().to_arrow().num_rows, "snapshot": snapshot.snapshot_id,
                   "summary": dict(snapshot.summary.additional_properties), "snapshots": len(table.snapshots())}
print(json.dumps(found))
"""


def test_every_landed_table_holds_the_rows_of_duckdb(demo: Demo) -> None:
    """Read with pyiceberg in a fresh process; snapshots carry run, artifact and environment."""
    stack = demo.folder / ".floe"
    names = [table["identifier"] for table in demo.result["tables"]]
    arguments = [f"sqlite:///{stack / 'catalog.db'}", f"file://{stack / 'lake'}", json.dumps(names)]
    read = subprocess.run([sys.executable, "-c", READ_ROWS, *arguments], capture_output=True, text=True, check=True)
    landed = json.loads(read.stdout)
    database = next((stack / "warehouse").rglob("orders.duckdb"))
    with duckdb.connect(str(database), read_only=True) as connection:
        for table in demo.result["tables"]:
            name = table["identifier"]
            schema, relation = name.split(".")[-2:]
            (rows,) = connection.execute(f'select count(*) from "{schema}"."{relation}"').fetchone() or (None,)
            assert landed[name]["rows"] == rows == table["rows"], name
            assert landed[name]["snapshot"] == table["snapshot_id"]
            summary = landed[name]["summary"]
            assert summary["floe.run-id"] == demo.result["run_id"]
            assert summary["floe.artifact-digest"] == demo.result["artifact_digest"]
            assert summary["floe.environment"] == "dev"


def test_every_executed_node_has_a_start_and_an_end_in_the_right_order(demo: Demo) -> None:
    states: dict[str, list[str]] = defaultdict(list)
    for event in demo.lineage:
        states[event["run"]["runId"]].append(event["eventType"])
    assert all(kinds == ["START", "COMPLETE"] for kinds in states.values()), states
    jobs = {event["job"]["name"] for event in demo.lineage}
    for node in demo.result["nodes"]:
        assert f"orders.{node['unique_id']}" in jobs


def test_lineage_knows_seeds_and_sources_as_inputs_and_the_run_as_parent(demo: Demo) -> None:
    inputs = {dataset["name"] for event in demo.lineage for dataset in event["inputs"]}
    assert "orders.main.countries" in inputs
    assert "orders.raw.orders" in inputs
    for event in demo.lineage:
        if event["job"]["name"] != "orders":
            assert event["run"]["facets"]["parent"]["run"]["runId"] == demo.result["run_id"]
            assert event["run"]["facets"]["parent"]["job"]["name"] == "orders"


def test_classification_reaches_the_lineage(demo: Demo) -> None:
    facets = [
        dataset["facets"]["floe_classification"]["columns"]
        for event in demo.lineage
        for dataset in event["outputs"]
        if dataset["name"] == "orders.main.dim_customers" and "floe_classification" in dataset["facets"]
    ]
    assert facets
    assert facets[0]["email"]["classification"] == "pii"


def test_a_column_is_what_it_is_made_of_without_anybody_saying_so(demo: Demo) -> None:
    """No stack runs: the lineage service is started for as long as it takes, and reads what it has not read yet."""
    asked = run_floe("lineage", "column", "fct_daily_revenue", "daily_revenue_id", demo.folder, "--json")
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert answer["field"]["classification"] == "identifier"
    (derived,) = answer["derived"]
    assert (derived["classification"], derived["masked"]) == ("internal", False)
    assert [(step["dataset"], step["field"]) for step in derived["path"]] == [
        ("orders.main.fct_orders", "brand"),
        ("orders.main.fct_daily_revenue", "daily_revenue_id"),
        ("default.dev.orders.main.fct_daily_revenue", "daily_revenue_id"),
    ]


def test_the_chain_verifies_and_a_tampered_blob_is_found(demo: Demo) -> None:
    traced = run_floe("trace", demo.result["run_id"], demo.folder, "--json")
    assert traced.returncode == 0, traced.stdout
    links = json.loads(traced.stdout)["links"]
    assert [link["name"] for link in links if link["name"] != "snapshot"] == [
        "source",
        "artifact",
        "run",
        "lineage",
        "Cube bundle",
    ]
    blob = demo.folder / ".floe" / "blobs" / "sha256" / demo.result["artifact_digest"].removeprefix("sha256:")
    whole = blob.read_bytes()
    blob.write_bytes(whole.replace(b"orders", b"0rders", 1))
    try:
        tampered = run_floe("trace", demo.result["run_id"], demo.folder, "--json")
    finally:
        blob.write_bytes(whole)
    assert tampered.returncode == 3
    assert not next(link for link in json.loads(tampered.stdout)["links"] if link["name"] == "artifact")["verified"]


def test_the_same_source_in_another_folder_has_the_same_digest(demo: Demo, tmp_path: Path) -> None:
    elsewhere = copy_example(tmp_path / "somewhere" / "else")
    compiled = run_floe("compile", elsewhere)
    assert compiled.returncode == 0, compiled.stderr
    assert demo.result["artifact_digest"] in compiled.stdout


def test_an_unchanged_product_has_nothing_to_do(demo: Demo) -> None:
    again = run_floe("run", demo.folder, "--if-changed", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["status"] == "unchanged"
    status = json.loads(run_floe("status", demo.folder, "--json").stdout)
    assert [run["run_id"] for run in status["runs"]] == [demo.result["run_id"]]


def test_the_secrets_of_the_caller_are_nowhere(tmp_path: Path) -> None:
    """A canary in the environment of the command is in no file that the run leaves."""
    canary = "canary-5b1f0c"
    folder = copy_example(tmp_path)
    done = run_floe("run", folder, "--json", environment={"SHOP_PASSWORD": canary, "DBT_ENV_SECRET_FLOE_X": canary})
    assert done.returncode == 0, done.stderr
    holding = [file for file in folder.rglob("*") if file.is_file() and canary.encode() in file.read_bytes()]
    assert holding == []


def test_the_example_is_the_one_of_the_readme() -> None:
    assert (EXAMPLE / "floe.yaml").is_file()
    assert "make demo" in (EXAMPLE.parents[1] / "README.md").read_text()
    assert FLOE.is_file()
