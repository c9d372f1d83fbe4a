"""Cube's own schema compiler, kept running: what it makes of a bundle, and the SQL that it writes for a query."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_PROGRAM = Path(__file__).with_name("compiler.cjs")
_ROOT = Path(__file__).parents[4]


@dataclass(frozen=True)
class CubeCompiler:
    """A running compiler."""

    process: subprocess.Popen[str]

    def compile(
        self, files: Mapping[str, str], queries: Sequence[Mapping[str, Any]] = (), dialect: str = "duckdb"
    ) -> dict[str, Any]:
        """`errors`, or else `cubes` as `/v1/meta` shows them (hidden ones too) and the `sql` of each query."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"files": dict(files), "queries": queries, "dialect": dialect}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "Cube's compiler ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def running_compiler(node: str) -> Iterator[CubeCompiler]:
    """The compiler of `.cube/`, or of FLOE_SEMANTIC_CUBE_HOME; the test is skipped where there is none."""
    home = Path(os.environ.get("FLOE_SEMANTIC_CUBE_HOME") or _ROOT / ".cube")
    if not (home / "node_modules/@cubejs-backend/schema-compiler").is_dir():
        pytest.skip(f"Cube's compiler did not run: it is not in {home.name}/, where `make setup` puts it")
    command = [node, str(_PROGRAM), str(home)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield CubeCompiler(process)
        finally:
            process.kill()
