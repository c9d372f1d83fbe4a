"""dbt projects that do not know of floe: floe builds in each what plain `dbt build` builds, and lands the same rows.

Each project stands in `foreign_projects/`; its folder `second` holds what changes before a second build. One of them
nobody here wrote: the starter project that comes with dbt.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dbt.include.starter_project as starter_project
import duckdb
import pytest
import yaml
from plain_dbt import __file__ as plain_dbt
from running_stack import RunningStack

from floe_lakehouse.catalogs import open_catalog

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

PROJECTS: Final = Path(__file__).parent / "foreign_projects"
NAMES: Final = sorted(folder.name for folder in PROJECTS.iterdir())
STARTER: Final = "my_new_project"
ALL: Final = (*NAMES, STARTER)
FAILING: Final = frozenset({"failing_models", "failing_tests", "unit_tests", STARTER})
PLATFORM: Final = {
    "apiVersion": "floe.dev/v1",
    "kind": "PlatformSpec",
    "metadata": {"name": "here", "version": "1.0.0", "owner": "me"},
    "environments": {"dev": {"profiles": {"default": {"compute": "duckdb", "storage": "local", "catalog": "local"}}}},
    "compute": {"duckdb": {"type": "duckdb", "threads": 2}},
    "storage": {"local": {"type": "local"}},
    "catalogs": {"local": {"type": "sql"}},
}
_STATUSES: Final = {"pass": "success", "error": "failed", "fail": "failed", "warn": "warned"}
_LANDING: Final = frozenset({"incremental", "seed", "snapshot", "table"})
_IN_ICEBERG: Final = {("main_Mixed Case", "v1_2e2"): ("main_Mixed Case", "v1.2")}
"""Names that no catalog takes, as they land."""
_SECONDS: Final = 120.0
_LOOK_AGAIN: Final = 0.05
_INNER: Final = ("information_schema", "pg_catalog")


@dataclass(frozen=True)
class Relation:
    """A table or view of a warehouse: what it is, its columns with their types, its rows in no order."""

    kind: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Built:
    """What a build has left: how each node ended, and every relation by schema and name."""

    statuses: Mapping[str, str]
    relations: Mapping[tuple[str, str], Relation]


@dataclass(frozen=True)
class Foreign:
    """One project, for both ways to build it.

    Attributes:
        name: of the project.
        folder: of all projects.
    """

    name: str
    folder: Path

    @property
    def plain(self) -> Path:
        """Its copy for plain dbt."""
        return self.folder / "plain" / self.name

    @property
    def product(self) -> Path:
        """Its copy for floe, with the documents beside it."""
        return self.folder / "products" / self.name

    @property
    def product_name(self) -> str:
        return self.name.replace("_", "-")

    @property
    def builds(self) -> int:
        return 2 if (PROJECTS / self.name / "second").exists() else 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of all projects: for plain dbt with a profile, for floe with its two documents."""
    folder = tmp_path_factory.mktemp("foreign")
    for name in ALL:
        project = Foreign(name, folder)
        source = Path(starter_project.__file__).parent if name == STARTER else PROJECTS / name
        for copy in (project.plain, project.product / "dbt"):
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__init__.py", "__pycache__", ".gitkeep"))
        written = (project.plain / "dbt_project.yml").read_text().replace("{project_name}", name)
        written = written.replace("{profile_name}", "elsewhere")
        for copy in (project.plain, project.product / "dbt"):
            (copy / "dbt_project.yml").write_text(written)
        output = {"type": "duckdb", "path": f"{name}.duckdb", "schema": "main", "threads": 2}
        profile = {"elsewhere": {"target": "dev", "outputs": {"dev": output}}}
        (project.plain / "profiles.yml").write_text(yaml.safe_dump(profile))
        spec = {
            "apiVersion": "floe.dev/v1",
            "kind": "FloeSpec",
            "metadata": {"name": project.product_name, "version": "1.0.0", "owner": "me"},
            "transforms": [{"type": "dbt", "path": "dbt"}],
            "consumption": {"cube": {"enabled": False}},
        }
        (project.product / "floe.yaml").write_text(yaml.safe_dump(spec))
        (project.product / "platform.yaml").write_text(yaml.safe_dump(PLATFORM))
    return folder


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[RunningStack]:
    running = RunningStack(folder)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def plain(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Plain dbt at work on all projects, in the order of the tests and beside them."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "FLOE_"))}
    folders = [str(Foreign(name, folder).plain) for name in ALL]
    with (folder / "plain.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, plain_dbt, *folders], env=inherited, stdout=log, stderr=log)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("name", ALL)
def test_floe_builds_what_dbt_builds(
    name: str, folder: Path, plain: subprocess.Popen[bytes], stack: RunningStack
) -> None:
    project = Foreign(name, folder)
    database = stack.folder / ".floe" / "warehouse" / "default" / "dev" / f"{name}.duckdb"
    sources = stack.folder / ".floe" / "work" / "executor" / "sources" / "default" / "dev" / project.product_name
    for number in range(project.builds):
        if number:
            shutil.copytree(project.product / "dbt" / "second", project.product / "dbt", dirs_exist_ok=True)
        done = stack.floe("run", project.product, "--json")
        told = json.loads(done.stdout)
        assert told["status"] == ("failed" if name in FAILING else "completed"), told["problems"]
        assert done.returncode == (3 if name in FAILING else 0)
        built = _built_plainly(plain, project, number)
        assert {node["unique_id"]: node["status"] for node in told["nodes"]} == built.statuses
        assert _relations(database, sources / "dbt") == built.relations
        _check_landed(stack, project, database, told)


def _check_landed(stack: RunningStack, project: Foreign, database: Path, told: Mapping[str, Any]) -> None:
    """Every landed table has the rows of its relation, and what has to land has landed."""
    landed = {}
    catalog = open_catalog(
        {
            "type": "sql",
            "uri": f"sqlite:///{stack.folder / '.floe' / 'catalog.db'}",
            "warehouse": f"file://{stack.folder / '.floe' / 'lake'}",
        }
    )
    product = ("default", "dev", project.product_name)
    if catalog.namespace_exists(product) or told["tables"]:
        for namespace in catalog.list_namespaces(product):
            for identifier in catalog.list_tables(namespace):
                landed[_IN_ICEBERG.get(identifier[-2:], identifier[-2:])] = (
                    catalog.load_table(identifier).scan().to_arrow()
                )
    for (schema, name), table in landed.items():
        with duckdb.connect(str(database), read_only=True) as connection:
            connection.register("landed", table)
            columns = [(column[0], column[1]) for column in connection.execute("describe landed").fetchall()]
            cast = ", ".join(f"cast({_quoted(column)} as {kind})" for column, kind in columns)
            wanted = connection.execute(f"select {cast} from {_quoted(schema)}.{_quoted(name)}").fetchall()
            found = connection.execute("select * from landed").fetchall()
        assert sorted(map(repr, found)) == sorted(map(repr, wanted)), (schema, name)
    assert len(landed) == len(told["tables"])
    if told["status"] == "completed":
        assert set(landed) == _has_to_land(project)


def _has_to_land(project: Foreign) -> set[tuple[str, str]]:
    manifest = json.loads((project.plain / "built" / "0" / "manifest.json").read_text())
    return {
        (node["schema"], node["alias"])
        for node in manifest["nodes"].values()
        if node["config"].get("materialized") in _LANDING and node["resource_type"] in {"model", "seed", "snapshot"}
    }


def _built_plainly(plain: subprocess.Popen[bytes], project: Foreign, number: int) -> Built:
    kept = project.plain / "built" / str(number)
    deadline = time.monotonic() + _SECONDS
    while not kept.exists():
        said = (project.folder / "plain.log").read_text()
        assert plain.poll() in (None, 0), said
        assert time.monotonic() < deadline, said
        time.sleep(_LOOK_AGAIN)
    results = json.loads((kept / "run_results.json").read_text())["results"]
    statuses = {
        result["unique_id"]: _STATUSES.get(result["status"], result["status"])
        for result in results
        # Neither an exposure, which is nothing to build, nor a hook between the nodes.
        if result["status"] != "no-op" and not result["unique_id"].startswith("operation.")
    }
    return Built(statuses, _relations(kept / f"{project.name}.duckdb", project.plain))


def _relations(database: Path, folder: Path) -> dict[tuple[str, str], Relation]:
    """Everything in a warehouse; files that a view reads are looked for below `folder`."""
    found = {}
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute(f"set file_search_path = '{folder}'")
        listed = connection.execute(
            "select table_schema, table_name, table_type from information_schema.tables "
            "where table_catalog = current_catalog() and not list_contains(?, table_schema)",
            [list(_INNER)],
        ).fetchall()
        for schema, name, kind in listed:
            relation = f"{_quoted(schema)}.{_quoted(name)}"
            columns = connection.execute(f"describe {relation}").fetchall()
            rows = connection.execute(f"select * from {relation}").fetchall()
            found[schema, name] = Relation(
                kind, tuple((column[0], column[1]) for column in columns), tuple(sorted(map(repr, rows)))
            )
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
