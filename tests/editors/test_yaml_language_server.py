"""Editors complete and check floe.yaml by the schema that `floe schema export` writes.

The language server comes from `make test-editors`, which needs Node.js; without it these tests say so and do not run.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from floe_cli.commands.schema import schema

from .language_server import LanguageServer, language_server

SERVER = Path(__file__).parent / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"

pytestmark = pytest.mark.skipif(
    not SERVER.is_file() or shutil.which("node") is None,
    reason="yaml-language-server is not installed: make test-editors installs and asks it",
)


async def settled(server: LanguageServer, folder: Path, document: str) -> None:
    exported = folder / f"{document}.schema.json"
    written = CliRunner().invoke(schema, ["export", document, "--output", str(exported)])
    assert written.exit_code == 0, written.output
    schemas = {exported.as_uri(): [f"{document}*.yaml"]}
    await server.configure({"yaml": {"schemas": schemas, "completion": True, "validate": True, "hover": True}})


async def completed(server: LanguageServer, file: Path, text: str) -> list[str]:
    """What the server offers where `|` stands in `text`."""
    before, _, after = text.partition("|")
    await server.open(file, before + after)
    position = {"line": before.count("\n"), "character": len(before.rpartition("\n")[2])}
    answer: dict[str, Any] = await server.request(
        "textDocument/completion", {"textDocument": {"uri": file.as_uri()}, "position": position}
    )
    return [item["label"] for item in answer["items"]]


HEAD = "apiVersion: floe.dev/v1\nkind: FloeSpec\nmetadata: {name: orders, version: 1.0.0, owner: me}\n"
TRANSFORMS = "transforms:\n  - {type: dbt, path: dbt}\n"


async def test_fields_and_values_of_floe_yaml_are_offered(tmp_path: Path) -> None:
    async with language_server(["node", str(SERVER), "--stdio"], tmp_path) as server:
        await settled(server, tmp_path, "floe")
        offered = await completed(server, tmp_path / "floe.yaml", HEAD + TRANSFORMS + "|")
        assert {"schedule", "outputPorts", "governance", "orchestration"} <= set(offered)
        inner = await completed(server, tmp_path / "floe-2.yaml", HEAD + TRANSFORMS + "schedule:\n  |")
        assert {"cron", "timezone", "enabled"} <= set(inner)
        values = await completed(
            server, tmp_path / "floe-3.yaml", HEAD + TRANSFORMS + "orchestration:\n  concurrency:\n    queue: |"
        )
        assert {"queue", "replace", "reject"} <= set(values)


async def test_a_wrong_field_of_floe_yaml_is_underlined(tmp_path: Path) -> None:
    async with language_server(["node", str(SERVER), "--stdio"], tmp_path) as server:
        await settled(server, tmp_path, "floe")
        right = await server.open(tmp_path / "floe.yaml", HEAD + TRANSFORMS)
        assert right["diagnostics"] == []
        wrong = await server.open(tmp_path / "floe-2.yaml", HEAD + TRANSFORMS + "schedul: {cron: 0 6 * * *}\n")
        (told,) = wrong["diagnostics"]
        assert "schedul" in told["message"]
        assert told["range"]["start"] == {"line": 5, "character": 0}


async def test_the_kinds_of_a_catalog_are_offered(tmp_path: Path) -> None:
    async with language_server(["node", str(SERVER), "--stdio"], tmp_path) as server:
        await settled(server, tmp_path, "platform")
        text = "apiVersion: floe.dev/v1\nkind: PlatformSpec\ncatalogs:\n  lake:\n    type: |"
        assert {"polaris", "rest", "nessie", "glue", "hive", "sql"} <= set(
            await completed(server, tmp_path / "platform.yaml", text)
        )
