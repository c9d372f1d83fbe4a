"""A token in every place where a secret can stand is in nothing that floe keeps, tells or sends (DESIGN section 9).

One stack with secrets all around it compiles and runs a sound product, and refuses others that are after the secrets or
have some typed into their files. Then everything that there is of it is searched.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import psutil
import pytest
import yaml
from canary_places import SECRET_REFS, Canaries, surroundings, typed_everywhere
from canary_products import (
    FLOE,
    PEEK,
    PEEKED,
    PLATFORM,
    THIEVES,
    WITNESS,
    contract,
    project,
    thieves_at_run_time,
    with_mistakes,
)
from canary_search import Search
from running_stack import RunningStack, write_files
from span_receiver import SpanReceiver, receiving_spans

from floe_chassis.source_bundles import pack
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import ARTIFACTS
from floe_contracts.cloudevents import decode
from floe_contracts.events import ArtifactRejected, GitPushed, SpecSubmitted, push_event_id

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

SERVED: Final = """\
models:
  - name: peek
    config: {meta: {floe: {expose: true}}}
    columns: [{name: a, config: {meta: {floe: {classification: pii, pii_type: name}}}}, {name: witness}]
"""


@dataclass
class Told:
    """What commands and services have said, for the tests.

    Attributes:
        commands: by the name of what was tried: how the command ended.
        rejected: of what was published by hand.
        processes: the command lines of the stack's processes, and the environments of those in which dbt runs.
        planted: the environment of the stack's own process.
    """

    commands: dict[str, subprocess.CompletedProcess[str]] = field(default_factory=dict)
    rejected: dict[str, ArtifactRejected] = field(default_factory=dict)
    processes: list[str] = field(default_factory=list)
    planted: str = ""


@dataclass(frozen=True)
class Searched:
    """All of it."""

    root: Path
    canaries: Canaries
    told: Told
    search: Search
    received: SpanReceiver


class Attempts:
    """Everything that is tried on one stack."""

    def __init__(self, root: Path, stack: RunningStack, canaries: Canaries) -> None:
        self.root = root
        self.told = Told()
        self._stack = stack
        self._canaries = canaries

    def make(self) -> None:
        """Try it all."""
        self._succeed()
        self._refused_by_the_command()
        self._thieves()
        self._refused_by_the_compiler()
        asyncio.run(self._by_hand())
        self._processes()

    def _product(self, name: str, files: dict[str, str]) -> Path:
        documents = {"floe.yaml": yaml.safe_dump(FLOE), "platform.yaml": yaml.safe_dump(PLATFORM)}
        return write_files(self.root / "products" / name, documents | project({"peek": PEEK}) | files)

    def _floe(self, name: str, *arguments: str | Path) -> None:
        self.told.commands[name] = self._stack.floe(*arguments)

    def _succeed(self) -> None:
        shop = self._product("shop", with_mistakes(self._canaries) | {"dbt/models/models.yml": SERVED})
        self._floe("run", "run", shop, "--json")
        self._floe("plan", "plan", shop)
        self._floe("artifact", "compile", shop, "--format", "json")
        warehouse = json.loads(json.dumps(PLATFORM))
        warehouse["environments"]["dev"]["profiles"]["default"]["compute"] = "warehouse"
        folder = self._product("warehouse", {"platform.yaml": yaml.safe_dump(warehouse)})
        self._floe("profiles", "profiles", folder, "--environment", "dev")
        self._floe("no adapter", "compile", folder)

    def _refused_by_the_command(self) -> None:
        typed = self._product(
            "typed",
            {
                "floe.yaml": typed_everywhere(dict(FLOE), self._canaries, "floe.yaml"),
                "platform.yaml": typed_everywhere(dict(PLATFORM), self._canaries, "platform.yaml"),
            },
        )
        for command in ("validate", "publish", "migrate"):
            self._floe(f"typed {command}", command, typed)
        for scheme in ("https", "http", "ssh"):
            url = f"{scheme}://floe:{self._canaries.type(f'{scheme} url')}@127.0.0.1:9/shop.git"
            self._floe(f"repository by {scheme}", "publish", self.root, "--repository", url, "--ref", "main")

    def _thieves(self) -> None:
        for name, (sql, _) in THIEVES.items():
            self._floe(name, "compile", self._product(name, {"dbt/models/thief.sql": sql}))
        hooks = "on-run-start: [\"{{ log(env_var('GITHUB_TOKEN'), info=true) }}\"]\n"
        files = {"dbt/dbt_project.yml": f"{project({})['dbt/dbt_project.yml']}{hooks}"}
        self._floe("project", "compile", self._product("project", files))
        secret_files = [self.root / "mounted" / SECRET_REFS[0], self.root / "home" / ".netrc"]
        self._floe("run time", "run", self._product("run-time", project(thieves_at_run_time(secret_files))))

    def _refused_by_the_compiler(self) -> None:
        for scheme in ("https", "http"):
            url = f"{scheme}://floe:{self._canaries.type(f'{scheme} package')}@127.0.0.1:9/a.git"
            packages = f"packages: [{{git: '{url}', revision: {'a' * 40}}}]\n"
            self._floe(
                f"package by {scheme}", "compile", self._product(f"package-{scheme}", {"dbt/packages.yml": packages})
            )
        wrong = contract(self._canaries.type("password of a contract"), written_out=True)
        self._floe("contract", "compile", self._product("contract", {"contracts/peek.yaml": wrong}))

    async def _by_hand(self) -> None:
        """What the command would not let through, and a run with a secret in reach."""
        async with self._stack.bus() as bus:
            for name in ("floe.yaml", "platform.yaml"):
                other = {"platform.yaml": yaml.safe_dump(PLATFORM), "floe.yaml": yaml.safe_dump(FLOE)}
                folder = self._product(
                    f"by-hand-{name}", other | {name: (self.root / "products/typed" / name).read_text()}
                )
                submitted = SpecSubmitted(
                    tenant="default",
                    product=WITNESS,
                    submission=name,
                    bundle=await pack(folder, self._stack.blobs),
                    platform=await self._stack.blobs.put((folder / "platform.yaml").read_bytes()),
                )
                await bus.publish(submitted, id=f"{WITNESS}:{name}")
                self.told.rejected[name] = await eventually(lambda name=name: _rejected(bus, name), timeout=60)
            pushed = GitPushed(
                tenant="default",
                repository="127.0.0.1:9/shop",
                url="https://127.0.0.1:9/shop.git",
                ref="refs/heads/main",
                delivery="one",
            )
            await bus.publish(pushed, id=push_event_id(pushed))
            log = self._stack.folder / ".floe" / "floe.log"
            await eventually(lambda: "FLOE-GIT-006" in log.read_text(), timeout=60)

    def _processes(self) -> None:
        own = psutil.Process(self._stack.process.pid)
        self.told.planted = "\n".join(own.environ().values())
        for child in own.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                command = child.cmdline()
                read_by_projects = any("floe_dbt" in part for part in command)
                values = child.environ().values() if read_by_projects else ()
                self.told.processes.append("\n".join([*command, *values]))


async def _rejected(bus: Any, submission: str) -> ArtifactRejected | None:
    events = [
        decode(message.subject, message.headers, message.data).event
        async for message in read_stream(bus.js, ARTIFACTS, "floe.v1.artifacts.rejected.>")
    ]
    rejected = (event for event in events if isinstance(event, ArtifactRejected))
    return next((event for event in rejected if event.submission == submission), None)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    root = tmp_path_factory.mktemp("canary")
    canaries = Canaries()
    with receiving_spans() as received:
        stack = RunningStack(root / "stack", surroundings(canaries, root, received.url))
        try:
            attempts = Attempts(root, stack, canaries)
            attempts.make()
            products = root / "products"
            sources = [file for file in products.rglob("*") if file.is_file()]
            search = Search(canaries.around | canaries.typed, WITNESS, sources)
            asyncio.run(_messages(stack, search))
        finally:
            stack.stop()
        _kept(search, stack, products, attempts.told, received)
        yield Searched(root, canaries, attempts.told, search, received)


async def _messages(stack: RunningStack, search: Search) -> None:
    async with stack.bus() as bus:
        await search.look_at_messages(bus)


def _kept(search: Search, stack: RunningStack, products: Path, told: Told, received: SpanReceiver) -> None:
    """Search what is left when everything has ended."""
    kept = stack.folder / ".floe"
    for part in sorted(kept.iterdir()):
        if part.is_dir():
            search.look_at_files(f".floe/{part.name}", part)
        else:
            search.look("logs" if part.suffix == ".log" else ".floe", part.name, part.read_bytes())
    search.look_at_files("products", products)
    search.look("logs", stack.said.name, stack.said.read_bytes())
    for name, done in told.commands.items():
        search.look("commands", name, f"{done.stdout}\n{done.stderr}".encode())
    for index, body in enumerate(received.traces):
        search.look("spans", str(index), body)
    for index, body in enumerate(received.metrics):
        search.look("metrics", str(index), body)
    for index, text in enumerate(told.processes):
        search.look("processes", str(index), text.encode())


def test_no_secret_is_anywhere(searched: Searched) -> None:
    assert searched.search.found == []


def test_the_search_has_looked_at_everything(searched: Searched) -> None:
    search = searched.search
    for medium, least in {
        "messages": 60,
        ".floe/bus": 80,
        ".floe/blobs": 30,
        ".floe/work": 20,
        ".floe/warehouse": 1,
        ".floe/dbt": 1,
        ".floe/lake": 4,
        ".floe/dagster": 3,
        "tables": 2,
        "products": 40,
        "logs": 2,
        "spans": 10,
        "commands": 15,
        "processes": 3,
    }.items():
        assert search.looked[medium] >= least, medium
    blind = {medium for medium in search.looked if not search.seen[medium]}
    assert blind <= {"metrics", "processes", ".floe/dbt"}, blind
    assert any(b"compile resolve" in body for body in searched.received.traces)


def test_the_secrets_were_where_they_can_be_found(searched: Searched, tmp_path: Path) -> None:
    """And the search finds one in plain text, in base64 and in a compressed table."""
    around, typed = searched.canaries.around, searched.canaries.typed
    files = [file.read_text(errors="replace") for file in searched.root.rglob("*") if file.is_file()]
    for place, token in around.items():
        assert token in searched.told.planted or any(token in text for text in files), place
    assert sum(token in searched.told.planted for token in around.values()) > 15
    for place, token in typed.items():
        assert place.endswith(" url") or any(token in text for text in files), place
    token = next(iter(around.values()))
    search = Search({"there": token}, "nothing", [])
    table = tmp_path / "a.parquet"
    duckdb.sql(f"copy (select '{token}' as a) to '{table}' (format parquet)")
    search.look_at_files("files", tmp_path)
    for before in ("", "x", "xy"):
        search.look("text", before, base64.b64encode(f"{before}{token}yz".encode()))
    search.look("text", "clean", b"nothing")
    assert search.found[-4:] == ["tables a.parquet: there", "text : there", "text x: there", "text xy: there"]


def test_a_sound_product_runs_and_reads_nothing(searched: Searched) -> None:
    run = json.loads(searched.told.commands["run"].stdout)
    assert (run["status"], run["cube_bundle_digest"] is None) == ("completed", False)
    (landed,) = {str(file.parent) for file in (searched.root / "stack/.floe/lake").rglob("*.parquet")}
    assert duckdb.sql(f"select * from read_parquet('{landed}/*.parquet')").fetchall() == [PEEKED]
    assert searched.told.commands["plan"].returncode == 0
    profiles = searched.told.commands["profiles"]
    assert "env_var(''DBT_ENV_SECRET_FLOE_WAREHOUSE__PASSWORD'')" in profiles.stdout
    assert "FLOE-DBT-032" in searched.told.commands["no adapter"].stderr


def test_a_secret_that_is_typed_into_a_document_is_refused_at_its_place(searched: Searched) -> None:
    told = searched.told
    for command in ("validate", "publish", "migrate"):
        assert told.commands[f"typed {command}"].returncode == 1, command
    for name in ("floe.yaml", "platform.yaml"):
        paths = [place.removeprefix(f"{name}.") for place in searched.canaries.typed if place.startswith(f"{name}.")]
        assert len(paths) > 20
        for path in paths:
            assert f"{name}:" in told.commands["typed validate"].stderr
            assert f"({path})" in told.commands["typed validate"].stderr
        rejected = told.rejected[name]
        assert rejected.stage == "validate"
        refused = {problem.path for problem in rejected.problems if problem.code == "FLOE-SPEC-006"}
        assert refused >= set(paths)


@pytest.mark.parametrize("name", THIEVES)
def test_a_model_that_is_after_secrets_is_refused(searched: Searched, name: str) -> None:
    done = searched.told.commands[name]
    assert done.returncode == 2
    assert "FLOE-DBT-011 dbt/models/thief.sql" in done.stderr
    assert THIEVES[name][1] in done.stderr


def test_a_project_file_that_is_after_secrets_is_refused(searched: Searched) -> None:
    done = searched.told.commands["project"]
    assert done.returncode == 2
    assert "FLOE-DBT-011 dbt/dbt_project.yml:5" in done.stderr


def test_models_that_are_after_secrets_when_they_are_built_fail(searched: Searched) -> None:
    done = searched.told.commands["run time"]
    assert done.returncode == 3
    thieves = thieves_at_run_time([Path("a"), Path("b")])
    assert f"{len(thieves)} nodes failed" in done.stderr
    for name in thieves:
        assert f"model.shop.{name}: " in done.stderr
    assert done.stderr.count("file system operations are disabled") == 4
    assert "have unsetunset" in done.stderr


def test_addresses_packages_and_contracts_with_secrets_are_refused(searched: Searched) -> None:
    for name, (code, error) in {
        "repository by https": (1, "FLOE-GIT-001"),
        "repository by http": (1, "FLOE-GIT-001"),
        "repository by ssh": (1, "FLOE-GIT-001"),
        "package by https": (2, "FLOE-DBT-041"),
        "package by http": (2, "FLOE-DBT-041"),
        "contract": (2, "FLOE-CTR-001"),
    }.items():
        done = searched.told.commands[name]
        assert done.returncode == code, name
        assert error in done.stderr, name
