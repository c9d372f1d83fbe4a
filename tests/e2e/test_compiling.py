"""Compiling as people do it: by the command, on folders of their own, with one stack behind it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from e2e_project import run_floe
from running_stack import RunningStack, write_files

from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import ARTIFACTS, EVENTS
from floe_contracts import subjects
from floe_contracts.cloudevents import decode
from floe_contracts.digests import digest_of
from floe_contracts.events import RunFailed, RunRequested
from floe_contracts.subjects import EventKind

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

CONTRACT: Final = """\
apiVersion: v3.1.0
kind: DataContract
id: sales
version: {version}
schema:
  - name: sales_by_day
    properties:
      - {{name: sold_on, logicalType: date}}
      - {{name: amount, logicalType: number}}
{more}"""
SALES_COLUMN: Final = "      - {name: sales, logicalType: integer}\n"
HEAD: Final = "apiVersion: floe.dev/v1\nkind: PlatformSpec\n"
PARENT: Final = (
    HEAD
    + """\
metadata: {name: acme, version: 1.0.0, owner: platform@acme.example}
scope: enterprise
inheritance: {forbid: [catalogs.local]}
compute: {duckdb: {type: duckdb, threads: 1}}
storage: {local: {type: local}}
catalogs: {local: {type: sql}}
governance:
  coverage: {minimumPercent: 90, level: strict}
"""
)
CHILD: Final = (
    HEAD
    + """\
metadata: {name: sales, version: 1.0.0, owner: sales@acme.example}
scope: domain
parent: {file: ../acme.yaml}
environments:
  dev: {profiles: {default: {compute: duckdb, storage: local, catalog: local}}}
governance:
  coverage: {minimumPercent: 10, level: warn}
"""
)
FLAT: Final = {
    "floe.yaml": """\
# the flat form has no apiVersion
name: flat_sales
version: "1.0.0"
compute: warehouse
transforms:
  - {type: dbt, path: ./dbt, target: dev}
consumption: {enabled: true}
""",
    "platform.yaml": """\
version: 1.0.0
compute: {warehouse: {type: duckdb, properties: {threads: 1}}}
""",
    "dbt/dbt_project.yml": "name: flat_sales\nversion: '1.0'\nprofile: floe\n",
    "dbt/seeds/raw.csv": "id,amount\n1,2.5\n2,4.5\n",
    "dbt/models/total.sql": "{{ config(materialized='table') }}\nselect sum(amount) as amount from {{ ref('raw') }}\n",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    running = RunningStack(tmp_path_factory.mktemp("compiling"), {"PYTHONHASHSEED": "7"})
    yield running
    running.stop()


def made(stack: RunningStack, folder: Path, template: str = "minimal") -> Path:
    """A product from a template, named after its folder."""
    done = stack.floe("init", folder, "--template", template)
    assert done.returncode == 0, done.stderr
    return folder


def compiled(stack: RunningStack, folder: Path) -> dict[str, Any]:
    """The artifact of the product in `folder`, and its digest as `digest`."""
    done = stack.floe("compile", folder, "--format", "yaml")
    assert done.returncode == 0, done.stderr
    artifact: dict[str, Any] = yaml.safe_load(done.stdout)
    return artifact | {"digest": done.stdout.splitlines()[0].removeprefix("# ")}


def edit(file: Path, old: str, new: str) -> None:
    """Replace a text that must be there."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def line_of(file: Path, text: str) -> int:
    """The number of the first line with a text."""
    return next(number for number, line in enumerate(file.read_text().splitlines(), start=1) if text in line)


@pytest.mark.parametrize("template", ["minimal", "governed"])
def test_a_template_is_valid_and_compiles(stack: RunningStack, tmp_path: Path, template: str) -> None:
    folder = made(stack, tmp_path / f"new-{template}", template)
    valid = stack.floe("validate", folder)
    assert (valid.returncode, valid.stderr) == (0, "")
    done = stack.floe("compile", folder)
    assert done.returncode == 0, done.stderr
    assert re.search(r"artifact +sha256:[0-9a-f]{64}\n", done.stdout)
    if template == "governed":
        assert "governance   passed: 0 errors, 0 warnings, 0 notes" in done.stderr


def test_a_broken_rule_is_told_at_its_line_and_counts_as_its_level_says(stack: RunningStack, tmp_path: Path) -> None:
    folder = made(stack, tmp_path / "governed", "governed")
    models, report = folder / "dbt/models/models.yml", tmp_path / "reports" / "all.sarif"
    edit(models, "        description: What the customer spent in all.\n", "")
    edit(models, "name: silver_orders", "name: orders_silver")
    (folder / "dbt/models/silver/silver_orders.sql").rename(folder / "dbt/models/silver/orders_silver.sql")
    edit(folder / "dbt/models/gold/gold_spending.sql", "silver_orders", "orders_silver")
    edit(folder / "floe.yaml", "silver_orders", "orders_silver")
    lines = {"FLOE-GOV-201": line_of(models, "orders_silver"), "FLOE-GOV-221": line_of(models, "name: spent")}

    refused = stack.floe("compile", folder, "--report", report)
    assert refused.returncode == 2, refused.stderr
    for code, line in lines.items():
        assert f"error {code} dbt/models/models.yml:{line}:" in refused.stderr
    sarif = json.loads(report.read_text())
    found = {
        result["ruleId"]: result["locations"][0]["physicalLocation"]["region"]["startLine"]
        for result in sarif["runs"][0]["results"]
    }
    assert (sarif["version"], found) == ("2.1.0", lines)

    edit(folder / "platform.yaml", "level: strict", "level: warn")
    warned = stack.floe("compile", folder, "--report", tmp_path / "all.json")
    assert warned.returncode == 0
    for code, line in lines.items():
        assert f"warning {code} dbt/models/models.yml:{line}:" in warned.stderr
    assert json.loads((tmp_path / "all.json").read_text())["status"] == "warned"


def test_the_artifact_is_written_in_every_form(stack: RunningStack, tmp_path: Path) -> None:
    folder = made(stack, tmp_path / "forms")
    files = {form: tmp_path / "out" / f"artifact.{form}" for form in ("json", "yaml", "configmap")}
    for form, file in files.items():
        done = stack.floe("compile", folder, "--format", form, "--output", file)
        assert (done.returncode, done.stdout) == (0, f"wrote {file}\n"), done.stderr
    document = json.loads(files["json"].read_text())
    assert yaml.safe_load(files["yaml"].read_text()) == document
    config_map = yaml.safe_load(files["configmap"].read_text())
    stored = config_map["data"]["artifact.json"]
    assert json.loads(stored) == document
    assert (config_map["kind"], config_map["immutable"]) == ("ConfigMap", True)
    digest = config_map["metadata"]["annotations"]["floe.dev/artifact-digest"]
    assert digest == digest_of(stored.encode()) == files["yaml"].read_text().splitlines()[0].removeprefix("# ")


def test_validating_starts_nothing_and_needs_no_bus(stack: RunningStack, tmp_path: Path) -> None:
    folder = made(stack, tmp_path / "valid")
    before = sorted(folder.rglob("*"))
    for environment in ({}, {"FLOE_NATS_URL": "nats://127.0.0.1:9"}):
        done = run_floe("compile", folder, "--validate-only", environment=environment)
        assert (done.returncode, done.stderr) == (0, "")
    (folder / "floe.yaml").write_text("kind: FloeSpec\n")
    assert run_floe("compile", folder, "--validate-only").returncode == 1
    assert sorted(folder.rglob("*")) == before


def test_the_plan_tells_what_runs_and_who_is_broken_and_announces_nothing(stack: RunningStack, tmp_path: Path) -> None:
    folder = made(stack, tmp_path / "planned")
    before = compiled(stack, folder)["digest"]
    edit(folder / "dbt/models/sales_by_day.sql", "    count(*) as sales,\n", "")
    properties = folder / "dbt/models/sales_by_day.yml"
    properties.write_text(re.sub(r"      - name: sales\n(?:        .*\n)+", "", properties.read_text()))
    announced = asyncio.run(compiled_events(stack, "planned"))

    plan = json.loads(stack.floe("plan", folder, "--format", "json").stdout)
    (node,) = plan["environments"]["dev"]["nodes"]
    assert plan["against"] == before
    assert (node["unique_id"], node["action"], node["runs"]) == ("model.planned.sales_by_day", "changed", True)
    assert "sql" in node["changes"]
    (selected,) = plan["environments"]["dev"]["dbt_selection"]
    assert selected.startswith("sales_by_day,")
    broken = [impact for impact in plan["impacts"] if impact["severity"] == "breaking"]
    assert any("sales" in impact["subject"] and impact["kind"] == "cube" for impact in broken), broken

    dry = stack.floe("compile", folder, "--dry-run")
    assert dry.returncode == 0
    assert "1 changed, 1 unchanged; 1 to build" in dry.stdout
    assert "model.planned.sales_by_day" in dry.stdout
    markdown = stack.floe("plan", folder, "--against", before, "--format", "markdown").stdout
    assert re.search(r"^\| .*sales_by_day.* \|$", markdown, re.MULTILINE)
    assert "breaking" in markdown
    assert asyncio.run(compiled_events(stack, "planned")) == announced == 1


async def compiled_events(stack: RunningStack, product: str) -> int:
    """How many artifacts of a product have been announced."""
    async with stack.bus() as bus:
        subject = f"floe.v1.artifacts.compiled.default.{product}"
        return len([message async for message in read_stream(bus.js, ARTIFACTS, subject)])


def test_a_contract_that_the_models_break_is_refused(stack: RunningStack, tmp_path: Path) -> None:
    folder = made(stack, tmp_path / "promised")
    contract = folder / "contracts" / "sales.yaml"
    write_files(folder, {"contracts/sales.yaml": CONTRACT.format(version="1.0.0", more=SALES_COLUMN)})
    (promised,) = compiled(stack, folder)["data_contracts"]
    assert (promised["id"], promised["version"]) == ("sales", "1.0.0")
    edit(folder / "dbt/models/sales_by_day.sql", "    count(*) as sales,\n", "")
    properties = folder / "dbt/models/sales_by_day.yml"
    properties.write_text(re.sub(r"      - name: sales\n(?:        .*\n)+", "", properties.read_text()))
    line = line_of(contract, "name: sales,")
    for command in ("compile", "plan"):
        refused = stack.floe(command, folder)
        assert refused.returncode == 2
        assert f"error FLOE-CTR-011 contracts/sales.yaml:{line}:" in refused.stderr, refused.stderr

    contract.write_text(CONTRACT.format(version="2.0.0", more=""))
    plan = json.loads(stack.floe("plan", folder, "--format", "json").stdout)
    broken = [impact for impact in plan["impacts"] if (impact["kind"], impact["severity"]) == ("contract", "breaking")]
    assert any("sales" in impact["subject"] for impact in broken), plan["impacts"]


def test_what_stands_above_a_platform_holds(stack: RunningStack, tmp_path: Path) -> None:
    folder = made(stack, tmp_path / "below")
    write_files(tmp_path, {"acme.yaml": PARENT, "below/platform.yaml": CHILD})
    refused = stack.floe("compile", folder)
    assert refused.returncode == 2
    assert "error FLOE-GOV-210 dbt/models/sales_by_day.yml:2:" in refused.stderr

    explained = stack.floe("explain", "governance.coverage.minimumPercent", folder)
    parent, child = f"{tmp_path}/acme.yaml", f"{folder}/platform.yaml"
    assert f"{parent}:{line_of(tmp_path / 'acme.yaml', 'minimumPercent')}:" in explained.stdout
    assert f"10 of {child}:{line_of(folder / 'platform.yaml', 'minimumPercent')}:" in explained.stdout

    with (folder / "platform.yaml").open("a") as file:
        file.write("catalogs: {local: {type: sql, warehouse: other}}\n")
    forbidden = stack.floe("validate", folder)
    assert forbidden.returncode == 1
    line = line_of(folder / "platform.yaml", "warehouse: other")
    assert f"error FLOE-PLAT-005 {child}:{line}:" in forbidden.stderr


def test_a_product_of_the_flat_form_runs_and_its_migrated_form_is_the_same(stack: RunningStack, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "flat", FLAT)
    flat = compiled(stack, folder)
    done = stack.floe("run", folder, "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert (run["status"], run["artifact_digest"]) == ("completed", flat["digest"])
    assert {table["identifier"].rpartition(".")[2]: table["rows"] for table in run["tables"]} == {"raw": 2, "total": 1}

    migrated = stack.floe("migrate", folder, "--write")
    assert migrated.returncode == 0, migrated.stderr
    assert "apiVersion: floe.dev/v1" in (folder / "floe.yaml").read_text()
    for name in ("floe.yaml", "platform.yaml"):  # as they were; they are no part of the product
        (folder / f"{name}.bak").unlink()
    canonical = compiled(stack, folder)
    # The texts of both documents are other ones, and only their digests tell so.
    assert canonical["sources"].keys() == flat["sources"].keys()
    assert canonical["sources"]["bundle"] != flat["sources"]["bundle"]
    apart = {"digest", "sources"}
    assert {key: canonical[key] for key in canonical.keys() - apart} == {key: flat[key] for key in flat.keys() - apart}


def test_an_artifact_whose_bytes_were_changed_is_not_run(stack: RunningStack, tmp_path: Path) -> None:
    folder = made(stack, tmp_path / "tampered")
    digest = compiled(stack, folder)["digest"]
    stored = stack.folder / ".floe/blobs/sha256" / digest.removeprefix("sha256:")
    whole = stored.read_bytes()
    stored.write_bytes(whole.replace(b'"threads":2', b'"threads":3', 1))
    assert stored.read_bytes() != whole
    failed = asyncio.run(failed_run(stack, "tampered", digest))
    assert [problem.code for problem in failed.problems] == ["FLOE-BLOB-002"]
    assert failed.nodes == ()


async def failed_run(stack: RunningStack, product: str, digest: str) -> RunFailed:
    """Ask for a run of an artifact; how it failed."""
    async with stack.bus() as bus:
        requested = RunRequested(
            tenant="default",
            environment="dev",
            product=product,
            artifact_digest=digest,
            requester="test",
            reason="test",
        )
        await bus.publish(requested, id=f"{product}:test")
        subject = subjects.pattern(EventKind.RUN_FAILED, tenant="default", environment="dev", product=product)

        async def found() -> RunFailed | None:
            events = [
                decode(message.subject, message.headers, message.data).event
                async for message in read_stream(bus.js, EVENTS, subject)
            ]
            return next((event for event in events if isinstance(event, RunFailed)), None)

        return await eventually(found, timeout=60)


def test_the_digest_is_that_of_the_source_wherever_it_is_and_however_it_was_parsed(
    stack: RunningStack, tmp_path: Path
) -> None:
    """A full parse and a partial one, another folder, a clone, another order of hashes."""
    folder = made(stack, tmp_path / "same", "governed")
    model = folder / "dbt/models/silver/silver_orders.sql"
    final = model.read_text()
    edit(model, "as decimal(18, 2)", "as decimal(18, 4)")
    first = compiled(stack, folder)["digest"]
    assert list((stack.folder / ".floe").rglob("same/dev/**/partial_parse.msgpack"))
    model.write_text(final)
    digest = compiled(stack, folder)["digest"]  # partial: one model of those that were parsed
    assert digest != first

    elsewhere = tmp_path / "some" / "where else" / "same"
    shutil.copytree(folder, elsewhere)
    clone = cloned(folder, tmp_path)
    for place in (elsewhere, clone):
        assert compiled(stack, place)["digest"] == digest
    done = run_floe("compile", clone, environment={"PYTHONHASHSEED": "1"})  # a compiler of its own: a full parse
    assert done.returncode == 0, done.stderr
    assert digest in done.stdout


def cloned(folder: Path, tmp_path: Path) -> Path:
    """A clone of a repository with all files of the folder."""
    shutil.copytree(folder, tmp_path / "origin")
    identity = ["-c", "user.name=floe", "-c", "user.email=floe@example.com"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "all"]):
        subprocess.run(["git", *arguments], cwd=tmp_path / "origin", check=True)
    subprocess.run(["git", "clone", "-q", "origin", "clone"], cwd=tmp_path, check=True)
    return tmp_path / "clone"


@pytest.mark.parametrize("version", sorted({"3.11", "3.12", "3.13"} - {".".join(map(str, sys.version_info[:2]))}))
def test_the_digest_is_the_same_under_other_versions_of_python(
    stack: RunningStack, tmp_path: Path, version: str
) -> None:
    """`FLOE_TEST_PYTHON_3_12` and so on name interpreters that have floe with all its services."""
    python = os.environ.get(f"FLOE_TEST_PYTHON_{version.replace('.', '_')}")
    if python is None:
        pytest.skip(f"no Python {version} with floe: set FLOE_TEST_PYTHON_{version.replace('.', '_')}")
    assert f"Python {version}." in subprocess.check_output([python, "--version"], text=True)
    folder = made(stack, tmp_path / "versions", "governed")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
    done = subprocess.run(
        [python, "-c", "from floe_cli.program import program; program()", "compile", str(folder)],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
        env=inherited,
    )
    assert done.returncode == 0, done.stderr
    assert compiled(stack, folder)["digest"] in done.stdout
