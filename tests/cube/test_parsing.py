"""Cube compiles to the same whether or not its workers keep what they parsed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from access_product import bundle  # found by the path that conftest.py adds
from bundle_server import bundle_server
from cube_home import CubeHome
from cube_server import cube_server
from models import ORDERS

COMPILED = """
const { parseTextsOnce } = require('./floe/parsing');
const { prepareCompiler } = require('@cubejs-backend/schema-compiler');
const given = JSON.parse(require('node:fs').readFileSync('given.json', 'utf8'));
const repository = { localPath: () => '/', dataSchemaFiles: async () => given };
const nativeInstance = { newJinjaEngine: () => ({ loadTemplate() {} }) };
async function compiled() {
  const compilers = prepareCompiler(repository, { nativeInstance });
  const said = { errors: '' };
  await compilers.compiler.compile().catch((error) => { said.errors = String(error.message); });
  const text = (name, value) => (typeof value === 'function' ? String(value) : value);
  const cubes = compilers.cubeEvaluator.evaluatedCubes;
  return { ...said, cubes: JSON.stringify(said.errors ? null : cubes, text) };
}
(async () => {
  const plain = await compiled();
  parseTextsOnce();
  const once = await compiled();
  const again = await compiled();
  process.stdout.write(JSON.stringify({ plain, once, again }), () => process.exit(0));
})();
"""


def compiled(cube_home: CubeHome, folder: Path, files: dict[str, str]) -> dict[str, dict[str, Any]]:
    with bundle_server() as bundles, cube_server(cube_home, folder, environment=bundles.environment) as cube:
        given = [{"fileName": path, "content": text} for path, text in files.items()]
        (folder / "given.json").write_text(json.dumps(given))
        answer: dict[str, dict[str, Any]] = json.loads(cube.printed(COMPILED))
        return answer


def test_policies_and_members_are_the_same(cube_home: CubeHome, tmp_path: Path) -> None:
    answer = compiled(cube_home, tmp_path / "cube", dict(bundle("prod").files))
    assert answer["plain"]["errors"] == answer["once"]["errors"] == ""
    assert "accessPolicy" in answer["plain"]["cubes"]
    assert answer["plain"]["cubes"] == answer["once"]["cubes"]


def test_what_is_refused_is_refused_each_time(cube_home: CubeHome, tmp_path: Path) -> None:
    broken = ORDERS.replace("type: sum", "type: sum\n        title: '{ a is not None }'")
    files = {f"{name}.yml": broken.replace("orders", name) for name in ("one", "two", "three")}
    answer = compiled(cube_home, tmp_path / "cube", files)
    assert all(f"{name} cube: (measures.total.title" in answer["once"]["errors"] for name in ("one", "two", "three"))
    assert "Failed to parse Python expression" in answer["once"]["errors"]
    assert answer["plain"] == answer["once"] == answer["again"]
