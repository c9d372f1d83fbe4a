"""Runs as a person asks for them, on a whole embedded stack."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.testing import eventually
from floe_cli.exit_codes import ExitCode

pytestmark = pytest.mark.dbt

Floe = Callable[..., Any]
FLOE_YAML = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: shop, version: 1.0.0, owner: shop@example.com}
transforms: [{type: dbt, path: dbt}]
schedule: {cron: "0 6 1 1 *", timezone: Europe/Berlin}
triggers: [{type: compile}]
orchestration:
  retries: {maxAttempts: 1, delaySeconds: 0}
  partitions: {type: static, keys: [de, fr]}
"""
FILES = {
    "floe.yaml": FLOE_YAML,
    "dbt/models/countries.sql": "select '{{ var('floe_partition', 'all') }}' as country, {{ var('depth', 1) }} as n",
    "dbt/models/after_orders.sql": "select * from {{ ref('orders') }}",
}
FAILS_FOR_FR = "select cast(replace('{{ var('floe_partition', '1') }}', 'de', '1') as integer) as id"
SLOW = "select count(*) as id from range(30000000) a, range(30000000) b"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder on which `floe up` runs."""
    folder = tmp_path_factory.mktemp("up")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
    command = [Path(sys.executable).with_name("floe"), "up", folder, "--http-port", "0"]
    stack = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert stack.stdout is not None
    assert any(line.startswith("ready") for line in stack.stdout)
    yield folder
    stack.send_signal(signal.SIGINT)
    assert stack.wait(60) == 0
    stack.stdout.close()


@pytest.fixture
def write(up: Path, product: Callable[..., Path]) -> Callable[..., Path]:
    """Puts the product, with changes, into the folder of the stack."""

    def put(**changes: str) -> Path:
        made = product(FILES | {name.replace("__", "/") + ".sql": text for name, text in changes.items()})
        for file in made.rglob("*"):
            if file.is_file():
                target = up / file.relative_to(made)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
        return up

    return put


def document(floe: Floe, *arguments: object, code: int = 0) -> dict[str, Any]:
    said = floe(*arguments, "--json")
    assert said.code == code, said.out + said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def built(outcome: dict[str, Any]) -> dict[str, str]:
    """Models and how they ended."""
    return {
        node["unique_id"].rpartition(".")[2]: node["status"]
        for node in outcome["nodes"]
        if node["unique_id"].startswith("model.")
    }


def test_a_product_with_a_compile_trigger_is_built_once(floe: Floe, write: Callable[..., Path]) -> None:
    folder = write()
    outcome = document(floe, "run", folder)
    assert built(outcome) == {"orders": "success", "countries": "success", "after_orders": "success"}
    runs = document(floe, "runs", "list", folder)["runs"]
    assert [(run["run_id"], run["status"]) for run in runs] == [(outcome["run_id"], "completed")]
    shown = document(floe, "runs", "show", outcome["run_id"][:12], folder)
    assert built(shown) == built(outcome)
    assert {table["identifier"] for table in shown["tables"]} == {table["identifier"] for table in outcome["tables"]}
    (product,) = document(floe, "products", folder)["products"]
    assert (product["product"], product["environment"]) == ("shop", "dev")
    assert product["artifact_digest"] == outcome["artifact_digest"]
    assert product["next_tick"].endswith("-01-01T05:00:00+00:00")


def test_a_part_of_what_is_live_is_asked_for(floe: Floe, write: Callable[..., Path]) -> None:
    folder = write()
    document(floe, "run", folder)
    asked = ("runs", "request", "shop", folder, "--follow")
    selected = document(floe, *asked, "--select", "orders+", "--exclude", "after_orders")
    assert (built(selected), selected["status"]) == ({"orders": "success"}, "completed")
    with_vars = document(floe, *asked, "-s", "countries", "--vars", "{depth: 7}", "--partition", "de", "--full-refresh")
    assert (built(with_vars), with_vars["partition"]) == ({"countries": "success"}, "de")
    nothing = floe(*asked, "--select", "nothing_of_that_name")
    assert nothing.code == ExitCode.RUN_FAILED
    assert "FLOE-RUN-014" in nothing.err
    unknown = floe(*asked, "--partition", "it")
    assert unknown.code == ExitCode.RUN_FAILED
    assert "FLOE-RUN-015" in unknown.err


def test_a_backfill_tells_how_each_partition_ended(floe: Floe, write: Callable[..., Path]) -> None:
    folder = write(dbt__models__countries=FAILS_FOR_FR)
    document(floe, "run", folder)
    said = document(floe, "runs", "backfill", "shop", folder, "--keys", "fr,de", "--follow", code=3)
    assert [(result["partition"], result["status"]) for result in said["results"]] == [
        ("fr", "failed"),
        ("de", "completed"),
    ]
    runs = document(floe, "runs", "list", folder)["runs"]
    assert {run["options"]["partition"] for run in runs if run.get("backfill") == said["backfill_id"]} == {"de", "fr"}
    refused = document(floe, "runs", "backfill", "shop", folder, "--keys", "xx", "--follow", code=3)
    assert (refused["results"], refused["problems"][0]["code"]) == ([], "FLOE-RUN-015")


def test_only_what_failed_is_built_again(floe: Floe, write: Callable[..., Path]) -> None:
    folder = write(dbt__models__orders="select cast('x' as integer) as id")
    failed = document(floe, "run", folder, code=3)
    assert built(failed) == {"orders": "failed", "countries": "success", "after_orders": "skipped"}
    write()
    mended = document(floe, "run", folder, "--retry")
    assert (built(mended)["orders"], built(mended)["after_orders"], mended["status"]) == (
        "success",
        "success",
        "completed",
    )
    shown = document(floe, "runs", "show", mended["run_id"], folder)
    assert shown["run"]["options"]["retry_of"] == failed["run_id"]
    same = document(floe, "runs", "retry", failed["run_id"], folder, "--follow", code=3)
    assert (same["status"], built(same)["orders"]) == ("failed", "failed")


async def test_a_run_that_works_is_ended(floe: Floe, write: Callable[..., Path]) -> None:
    folder = write(dbt__models__orders=SLOW)
    following = asyncio.create_task(asyncio.to_thread(subprocess.run, _command("run", folder, "--json"), **_PIPED))

    def started() -> str | None:
        said = subprocess.run(_command("runs", "list", folder, "--status", "started", "--json"), **_PIPED)
        runs = json.loads(said.stdout)["runs"]
        return runs[0]["run_id"] if runs else None

    run = await eventually(lambda: asyncio.to_thread(started), timeout=90)
    assert run is not None
    said = await asyncio.to_thread(floe, "runs", "cancel", run[:12], folder, "--reason", "takes too long")
    assert said.out == f"asked for the end of run {run}\n"
    ended = await asyncio.wait_for(following, 60)
    assert ended.returncode == ExitCode.RUN_FAILED
    outcome = json.loads(ended.stdout)
    assert (outcome["run_id"], outcome["status"]) == (run, "cancelled")
    assert outcome["reason"] == "floe runs cancel: takes too long"
    again = await asyncio.to_thread(floe, "runs", "cancel", run, folder)
    assert again.out == f"run {run} has ended already: cancelled\n"


_PIPED: dict[str, Any] = {"capture_output": True, "text": True, "check": False, "timeout": 100}


def _command(*arguments: object) -> list[str]:
    return [str(Path(sys.executable).with_name("floe")), *map(str, arguments)]
