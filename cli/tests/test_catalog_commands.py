"""`floe catalog`, on the tables that two runs of a product landed on a whole embedded stack."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.table import Table

from floe_cli.exit_codes import ExitCode

pytestmark = pytest.mark.dbt

Floe = Callable[..., Any]
FLOE = Path(sys.executable).with_name("floe")
FILES = {
    "floe.yaml": """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: shop, version: 1.0.0, owner: shop@example.com}
transforms: [{type: dbt, path: dbt}]
""",
    "dbt/dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: floe\nmodels: {shop: {+materialized: table}}\n",
    "dbt/models/orders.sql": """\
select range::integer as id, (range * 1.5)::decimal(10, 2) as amount, 'customer ' || range % 3 as customer
from range({{ var('orders', 4) }})
""",
    "dbt/models/customers.sql": "select distinct customer from {{ ref('orders') }}",
}


def called(*arguments: object) -> dict[str, Any]:
    """`floe` in a process of its own, with `--json`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
    command = [str(FLOE), *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    """A folder on which `floe up` runs, and the ids of two runs: of four orders, then of six.

    Between the two no stack runs, and tables and lineage are looked at all the same.
    """
    folder = tmp_path_factory.mktemp("catalog") / "shop"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    runs = [called("run", folder, "--vars", "{orders: 4}")["run_id"]]
    rows = {one["identifier"]: one["snapshot"]["rows"] for one in called("catalog", "tables", folder)["tables"]}
    assert rows == {"default.dev.shop.main.customers": 3, "default.dev.shop.main.orders": 4}
    column = called("lineage", "column", "customers", "customer", folder)
    assert {edge["source_field"] for edge in column["edges"]} >= {"customer"}
    assert "shop.main.orders" in {node["name"] for node in column["nodes"]}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
    stack = subprocess.Popen(
        [FLOE, "up", folder, "--http-port", "0"], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert stack.stdout is not None
    assert any(line.startswith("ready") for line in stack.stdout)
    runs.append(called("run", folder, "--vars", "{orders: 6}")["run_id"])
    yield folder, runs
    stack.send_signal(signal.SIGINT)
    assert stack.wait(60) == 0
    stack.stdout.close()


@pytest.fixture
def folder(shop: tuple[Path, list[str]]) -> Path:
    return shop[0]


@pytest.fixture
def runs(shop: tuple[Path, list[str]]) -> list[str]:
    return shop[1]


@pytest.fixture
def orders(folder: Path) -> Callable[[], Table]:
    """The table, as pyiceberg alone sees it."""
    catalog = load_catalog(
        "floe", type="sql", uri=f"sqlite:///{folder}/.floe/catalog.db", warehouse=f"file://{folder}/.floe/lake"
    )
    return lambda: catalog.load_table(("default", "dev", "shop", "main", "orders"))


def as_json(floe: Floe, *arguments: object, code: int = 0) -> dict[str, Any]:
    said = floe("catalog", *arguments, "--json")
    assert said.code == code, said.out + said.err
    document: dict[str, Any] = json.loads(said.out)
    return document


def in_words(floe: Floe, *arguments: object, code: int = 0) -> str:
    said = floe("catalog", *arguments)
    assert said.code == code, said.out + said.err
    words: str = said.out + said.err
    return words


def test_namespaces(floe: Floe, folder: Path) -> None:
    names = ["default.dev.shop", "default.dev.shop.main"]
    assert [one["namespace"] for one in as_json(floe, "namespaces", folder)["namespaces"]] == names
    assert re.search(r"default\.dev\.shop\.main +shop +2", in_words(floe, "namespaces", folder, "-p", "shop"))


def test_tables(floe: Floe, folder: Path, runs: list[str], orders: Callable[[], Table]) -> None:
    found = {one["identifier"]: one for one in as_json(floe, "tables", folder)["tables"]}
    assert sorted(found) == ["default.dev.shop.main.customers", "default.dev.shop.main.orders"]
    snapshot = found["default.dev.shop.main.orders"]["snapshot"]
    assert (snapshot["rows"], snapshot["run_id"]) == (6, runs[1])
    assert snapshot["snapshot_id"] == orders().metadata.current_snapshot_id
    assert re.search(rf"main\.orders +6 +1 .*{runs[1][:8]}", in_words(floe, "tables", folder))


def test_describe(floe: Floe, folder: Path, orders: Callable[[], Table]) -> None:
    described = as_json(floe, "describe", "orders", folder)
    assert described["location"] == orders().location()
    assert [(one["name"], one["type"]) for one in described["table_schema"]["columns"]] == [
        ("id", "int"),
        ("amount", "decimal(10, 2)"),
        ("customer", "string"),
    ]
    words = in_words(floe, "describe", "main.orders", folder)
    assert "after 20 commits" in words
    assert "6 rows in 1 file," in words
    assert re.search(r"2 +amount +decimal\(10, 2\)", words)


def test_snapshots(floe: Floe, folder: Path, runs: list[str], orders: Callable[[], Table]) -> None:
    listed = as_json(floe, "snapshots", "orders", folder)
    assert {one["snapshot_id"] for one in listed["snapshots"]} == {one.snapshot_id for one in orders().snapshots()}
    assert [one["run_id"] for one in listed["snapshots"] if one["run_id"]] == [runs[1], runs[0]]
    words = in_words(floe, "snapshots", "orders", folder, "--limit", 1)
    assert "--limit shows more" in words
    assert f"* {listed['current_snapshot_id']}" in re.sub(" +", " ", words)


@pytest.mark.parametrize("at", ["id", "run", "beginning", "time"])
def test_read_at(floe: Floe, folder: Path, runs: list[str], orders: Callable[[], Table], at: str) -> None:
    """Any name of the first run's snapshot reads what pyiceberg reads of it."""
    snapshots = as_json(floe, "snapshots", "orders", folder)["snapshots"]
    first = next(one for one in snapshots if one["run_id"] == runs[0])
    names = {
        "id": first["snapshot_id"],
        "run": f"run:{runs[0]}",
        "beginning": f"run:{runs[0][:8]}",
        "time": first["committed_at"],
    }
    read = as_json(floe, "read", "orders", folder, "--at", names[at])
    expected = orders().scan(snapshot_id=first["snapshot_id"]).to_arrow().to_pylist()
    assert sorted(read["data"], key=lambda row: int(row["id"])) == [
        {"id": row["id"], "amount": str(row["amount"]), "customer": row["customer"]}
        for row in sorted(expected, key=lambda row: int(row["id"]))
    ]
    assert (read["rows"], read["complete"], read["snapshot"]["snapshot_id"]) == (4, True, first["snapshot_id"])


def test_read_in_words(floe: Floe, folder: Path) -> None:
    words = in_words(floe, "read", "orders", folder, "-c", "id,amount", "--where", "id >= 4")
    assert re.findall(r"^(\d) +([\d.]+) *$", words, re.MULTILINE) == [("4", "6.00"), ("5", "7.50")]
    assert "customer" not in words
    assert "the first 2 rows" in in_words(floe, "read", "orders", folder, "--limit", 2)
    assert "no rows" in in_words(floe, "read", "orders", folder, "--where", "id > 100")


def test_read_into_a_file(floe: Floe, folder: Path, tmp_path: Path, orders: Callable[[], Table]) -> None:
    file = tmp_path / "below" / "orders.arrow"
    assert "6 rows written" in in_words(floe, "read", "orders", folder, "--all", "--arrow", file)
    read = pa.ipc.open_stream(io.BytesIO(file.read_bytes())).read_all()
    assert read.sort_by("id").to_pylist() == orders().scan().to_arrow().sort_by("id").to_pylist()
    assert list(file.parent.iterdir()) == [file]
    (tmp_path / "file").touch()
    assert "FLOE-CLI-005" in in_words(
        floe, "read", "orders", folder, "--arrow", tmp_path / "file" / "x", code=ExitCode.WRONG_USAGE
    )


def test_diff(floe: Floe, folder: Path, runs: list[str]) -> None:
    asked = ("diff", "orders", folder, "--from", f"run:{runs[0]}", "--to", f"run:{runs[1]}", "--rows")
    diff = as_json(floe, *asked)
    assert (diff["before"]["rows"], diff["after"]["rows"]) == (4, 6)
    assert (diff["rows_added"], diff["rows_removed"]) == (2, 0)
    words = in_words(floe, *asked)
    assert "2 rows came and 0 went" in words
    assert "the same columns" in words


def test_tag_and_branch(floe: Floe, folder: Path, runs: list[str], orders: Callable[[], Table]) -> None:
    assert "is snapshot" in in_words(floe, "tag", "orders", "opening", folder, "--at", f"run:{runs[0]}")
    assert "as it was" in in_words(floe, "tag", "orders", "opening", folder, "--at", f"run:{runs[0]}")
    assert as_json(floe, "read", "orders", folder, "--at", "opening")["rows"] == 4
    assert as_json(floe, "branch", "orders", "audit", folder)["after"] == orders().metadata.current_snapshot_id
    assert set(orders().metadata.refs) == {"main", "opening", "audit"}
    for kind, name in (("tag", "opening"), ("branch", "audit")):
        assert "is gone" in in_words(floe, kind, "orders", name, folder, "--remove")
    assert set(orders().metadata.refs) == {"main"}


def test_rollback_of_a_run_and_back(
    floe: Floe, folder: Path, runs: list[str], orders: Callable[[], Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    latest = orders().metadata.current_snapshot_id
    would = as_json(floe, "rollback", folder, "--run", runs[0][:8], "--dry-run")
    assert [(one["outcome"], one["dry_run"]) for one in would["results"]] == [("done", True)] * 2
    asked = ("rollback", folder, "--run", runs[0])
    assert "--yes" in in_words(floe, *asked, code=ExitCode.WRONG_USAGE)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"n\n")))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert "would be done" in in_words(floe, *asked, code=ExitCode.INTERRUPTED)
    assert orders().metadata.current_snapshot_id == latest
    assert "done" in in_words(floe, *asked, "--yes")
    assert orders().scan().to_arrow().num_rows == 4
    results = as_json(floe, "rollback", folder, "--run", runs[1], "--yes")["results"]
    assert [one["outcome"] for one in results] == ["done", "done"]
    assert orders().metadata.current_snapshot_id == latest
    assert "this is the current" in in_words(floe, "rollback", folder, "-t", "orders", "--to", latest, "--yes")


def test_maintenance(floe: Floe, folder: Path, orders: Callable[[], Table]) -> None:
    table = orders()
    rows = table.scan().to_arrow()
    for _ in range(3):
        table.append(rows.slice(0, 1))
        table.refresh()
    asked = ("compact", folder, "--table", "orders", "--min-files", 2)
    assert "would be done" in in_words(floe, *asked, "--dry-run")
    assert "4 files become 1" in in_words(floe, *asked)
    assert orders().scan().to_arrow().num_rows == rows.num_rows + 3
    assert len(list(orders().scan().plan_files())) == 1
    (manifests,) = as_json(floe, "manifests", folder, "-t", "orders", "--min-manifests", 1000)["results"]
    assert manifests["outcome"] == "nothing_to_do"
    expired = as_json(floe, "expire", folder, "--older-than", 365, "--dry-run")["results"]
    assert [(one["action"], one["outcome"]) for one in expired] == [("expiry", "nothing_to_do")] * 2
    orphans = as_json(floe, "orphans", folder, "--older-than", 365, "--dry-run")["results"]
    assert [one["action"] for one in orphans] == ["orphans"] * 2
    old = in_words(floe, "expire", folder, "-t", "orders", "--older-than", 0, "--dry-run")
    assert "those that are old enough are the newest, named by a tag or branch, or in use" in old


def test_what_a_table_does_not_allow_is_told_by_the_exit_code(
    floe: Floe, folder: Path, orders: Callable[[], Table]
) -> None:
    with orders().transaction() as transaction:
        transaction.set_properties({"gc.enabled": "false"})
    try:
        answer = as_json(floe, "expire", folder, code=ExitCode.UNSUPPORTED)
        assert [one["outcome"] for one in answer["results"]] == ["nothing_to_do", "unsupported"]
        assert "gc.enabled is false" in in_words(floe, "orphans", folder, "-t", "orders", code=ExitCode.UNSUPPORTED)
    finally:
        with orders().transaction() as transaction:
            transaction.remove_properties("gc.enabled")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["describe", "ordres"], 64, "did you mean 'orders'?"),
        (["tables", "-p", "shpo"], 64, "did you mean 'shop'?"),
        (["read", "orders", "--at", "yesterday"], 64, "FLOE-LAKE-"),
        (["read", "orders", "--where", "id >"], 64, "FLOE-LAKE-"),
        (["rollback", "--to", "17"], 64, "name a table"),
        (["rollback", "--yes"], 64, "either --to or --run"),
        (["rollback", "--run", "nobody", "--yes"], 64, "FLOE-CAT-033"),
        (["tag", "orders", "x", "--at", "main", "--remove"], 64, "leave --at out"),
        (["read", "orders", "--arrow", "x", "--json"], 64, "does not go with --json"),
        (["expire", "--older-than", "inf"], 64, "not in the range"),
        (["orphans", "--older-than", "nan"], 64, "no number of days"),
    ],
    ids=["table", "product", "time", "filter", "all-to-one", "nothing", "run", "both", "formats", "for-ever", "nan"],
)
def test_what_is_wrong_is_said(floe: Floe, folder: Path, arguments: list[str], code: int, said: str) -> None:
    named = 2 if arguments[0] in ("describe", "read") else 3 if arguments[0] == "tag" else 1
    outcome = floe("catalog", *arguments[:named], folder, *arguments[named:])
    assert outcome.code == code, outcome.out + outcome.err
    assert said in outcome.err


def test_another_environment_has_nothing(floe: Floe, folder: Path) -> None:
    assert as_json(floe, "tables", folder, "--env", "prod") == {"version": "1.0", "tables": [], "unanswered": []}
    assert "no tables" in in_words(floe, "tables", folder, "-e", "prod")


def test_where_nothing_has_run_that_is_said(floe: Floe, tmp_path: Path) -> None:
    said = floe("catalog", "tables", tmp_path)
    assert (said.code, "nothing has run" in said.err) == (ExitCode.UNREACHABLE, True)
    assert not (tmp_path / ".floe").exists()


def test_without_a_catalog_service_that_is_said(floe: Floe, configured: object) -> None:
    said = floe("catalog", "tables", "-e", "dev")
    assert (said.code, "no catalog service" in said.err) == (ExitCode.UNREACHABLE, True)
    assert "floe serve catalog" in said.err
