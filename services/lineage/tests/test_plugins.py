"""Lineage backends as plugins: those that floe brings, and one that somebody else wrote."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest

from floe_chassis.errors import SettingInvalid
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_chassis.topology import declared
from floe_chassis.topology_apply import apply
from floe_contracts.errors import DocumentInvalid
from floe_contracts.plugins.conformance import LineageBackendConformance
from floe_contracts.plugins.errors import PluginUnknown
from floe_lineage.app import create_app

EXAMPLE = Path(__file__).parents[3] / "examples" / "plugin-lineage-folder"
KEY = "canary-5f0e2c"


class TestFile(LineageBackendConformance):
    name = "file"

    @pytest.fixture
    def options(self, tmp_path: Path) -> Mapping[str, Any]:
        return {"path": str(tmp_path / "lineage.jsonl")}

    def received(self, options: Mapping[str, Any]) -> list[bytes]:
        return Path(options["path"]).read_bytes().splitlines()


class TestHttp(LineageBackendConformance):
    name = "http"
    bodies: list[bytes]

    @pytest.fixture
    def options(self) -> Iterator[Mapping[str, Any]]:
        self.bodies = bodies = []
        authorizations = []

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                authorizations.append(self.headers["Authorization"])
                events = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
                bodies.extend(orjson.dumps(event) for event in events)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return None

        server = HTTPServer(("127.0.0.1", 0), Receiver)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield {
            "url": f"http://127.0.0.1:{server.server_address[1]}",
            "batch": "true",
            "apiKey": {"secretRef": "lineage-key"},
        }
        server.shutdown()
        server.server_close()
        thread.join()
        assert set(authorizations) <= {f"Bearer {KEY}"}

    @pytest.fixture
    def secrets(self) -> Mapping[str, str]:
        return {"lineage-key": KEY}

    def received(self, options: Mapping[str, Any]) -> list[bytes]:
        del options
        return self.bodies


@pytest.fixture
def example(tmp_path: Path) -> list[str]:
    """Folders for Python's path, in which the example is installed: its code, and what an installer writes of it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))
    return [str(EXAMPLE / "src"), str(info.parent)]


def test_the_example_passes_its_own_tests(example: list[str], tmp_path: Path) -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(tmp_path),
            str(EXAMPLE / "tests"),
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(example), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout
    assert "skipped" not in ran.stdout


@pytest.fixture
def platform(tmp_path: Path) -> Callable[..., Path]:
    """Writes a platform.yaml whose lineage goes to the example, below a document that names the kind."""

    def write(options: str = "{signingKey: {secretRef: lineage-signing-key}, path: %s}") -> Path:
        head = "apiVersion: floe.dev/v1\nkind: PlatformSpec\n"
        archive = f"archive: {{type: folder, options: {options.replace('%s', str(tmp_path / 'lineage'))}}}"
        (tmp_path / "enterprise.yaml").write_text(
            f"{head}metadata: {{name: acme, version: 1.0.0, owner: me}}\nscope: enterprise\n"
            "environments: {dev: {profiles: {default: {compute: duckdb, storage: local, catalog: local}}}}\n"
            "compute: {duckdb: {type: duckdb}}\nstorage: {local: {type: local}}\ncatalogs: {local: {type: sql}}\n"
            f"observability: {{lineage: {{{archive}}}}}\n"
        )
        file = tmp_path / "platform.yaml"
        file.write_text(
            f"{head}metadata: {{name: sales, version: 1.0.0, owner: me}}\n"
            "scope: domain\nparent: {file: enterprise.yaml}\n"
        )
        return file

    return write


@pytest.mark.bus
async def test_a_plugin_named_in_platform_yaml_gets_the_lineage(
    example: list[str],
    platform: Callable[..., Path],
    environment: dict[str, str],
    running: Any,
    lineage_bus: Any,
    bus_settings: ChassisSettings,
    publish: Callable[[Iterable[Any]], Awaitable[None]],
    runs: Callable[[range], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for folder in example:
        monkeypatch.syspath_prepend(folder)
    await apply(lineage_bus, declared(bus_settings.model_copy(update={"ack_wait": 1.0}), ["archive"]))
    events = runs(range(3))
    await publish(events)
    named = {
        "FLOE_LINEAGE_BACKENDS": "",
        "FLOE_LINEAGE_PLATFORM_FILE": str(platform()),
        "LINEAGE_SIGNING_KEY": KEY,
    }

    async def arrived() -> bool:
        return len(list((tmp_path / "lineage").glob("*.json"))) == len(events)

    async with running(environment | named):
        await eventually(arrived, timeout=20)
    files = sorted((tmp_path / "lineage").glob("*.json"))
    assert [orjson.loads(file.read_bytes()) for file in files] == events
    assert all(file.with_name(f"{file.name}.sig").is_file() for file in files)


def test_a_kind_that_is_not_installed_is_told_with_those_that_are(platform: Callable[..., Path]) -> None:
    with pytest.raises(PluginUnknown) as unknown:
        create_app({"FLOE_LINEAGE_BACKENDS": "fiel"})
    assert unknown.value.hint == "did you mean 'file'?"
    with pytest.raises(PluginUnknown, match="no lineage backend 'folder'"):
        create_app({"FLOE_LINEAGE_PLATFORM_FILE": str(platform())})


def test_wrong_options_are_told_with_their_line(
    example: list[str], platform: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for folder in example:
        monkeypatch.syspath_prepend(folder)
    with pytest.raises(DocumentInvalid) as refused:
        create_app({"FLOE_LINEAGE_PLATFORM_FILE": str(platform("{pth: /tmp/x}"))})
    told = {(str(problem.where), problem.hint) for problem in refused.value.problems}
    assert told == {
        (f"{tmp_path}/enterprise.yaml:9:61 (observability.lineage.archive.options.pth)", "did you mean 'path'?"),
        (f"{tmp_path}/enterprise.yaml:9:27 (observability.lineage.archive.path)", "add `path:`"),
    }


@pytest.mark.parametrize(
    ("field", "said", "at"),
    [
        ("forwarding: {eventTypes: [START, STOP]}", "STOP", "STOP"),
        ("forwarding: {eventTypes: []}", "at least 1 item", "eventTypes"),
        ("forwarding: {rate: 0}", "greater than 0", "rate"),
        ("forwarding: {concurrency: 100}", "less than or equal to 64", "concurrency"),
        ("forwarding: {dropFacets: {runs: [parent]}}", "'runs' is not a field here", "runs"),
        ("forwarding: {dropFacets: {run: ['a.b']}}", "'a.b' is not allowed", "'a.b'"),
        ("forwarding: {jobEvents: drop}", "as-they-are", "jobEvents"),
        ("options: {batch: sometimes}", "auto, off, or a number from 1 to 1000", "batch"),
        ("options: {batch: '0'}", "auto, off, or a number", "batch"),
        ("options: {timeout: 0}", "greater than 0", "timeout"),
        ("options: {apiKeyHeader: 'X: y'}", "is not allowed", "apiKeyHeader"),
        ("options: {endpoint: lineage}", "should begin with a slash", "endpoint"),
    ],
    ids=lambda value: value.split("{", 1)[1] if isinstance(value, str) and "{" in value else None,
)
def test_wrong_wishes_about_forwarding_are_told_with_their_place(
    field: str, said: str, at: str, tmp_path: Path
) -> None:
    file = tmp_path / "platform.yaml"
    line = f"    there: {{type: http, url: 'http://x:1', {field}}}"
    file.write_text(
        "apiVersion: floe.dev/v1\nkind: PlatformSpec\nmetadata: {name: p, version: 1.0.0, owner: me}\n"
        "environments: {dev: {profiles: {default: {compute: duckdb, storage: local, catalog: local}}}}\n"
        "compute: {duckdb: {type: duckdb}}\nstorage: {local: {type: local}}\ncatalogs: {local: {type: sql}}\n"
        f"observability:\n  lineage:\n{line}\n"
    )
    with pytest.raises(DocumentInvalid) as refused:
        create_app({"FLOE_LINEAGE_BACKENDS": "", "FLOE_LINEAGE_PLATFORM_FILE": str(file)})
    (problem,) = refused.value.problems
    assert said in problem.message
    assert problem.where is not None
    assert (problem.where.line, problem.where.column) == (10, line.index(at) + 1)


def test_a_platform_that_is_not_there_or_names_a_backend_again_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="cannot be read"):
        create_app({"FLOE_LINEAGE_PLATFORM_FILE": str(tmp_path / "platform.yaml")})
    (tmp_path / "platform.yaml").write_text(
        "apiVersion: floe.dev/v1\nkind: PlatformSpec\nmetadata: {name: p, version: 1.0.0, owner: me}\n"
        "environments: {dev: {profiles: {default: {compute: duckdb, storage: local, catalog: local}}}}\n"
        "compute: {duckdb: {type: duckdb}}\nstorage: {local: {type: local}}\ncatalogs: {local: {type: sql}}\n"
        "observability: {lineage: {file: {type: http, url: 'http://lineage:5000'}}}\n"
    )
    with pytest.raises(SettingInvalid, match="'file' stands in"):
        create_app({"FLOE_LINEAGE_PLATFORM_FILE": str(tmp_path / "platform.yaml")})
