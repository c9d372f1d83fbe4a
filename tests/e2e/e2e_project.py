"""Running the command on copies of the example, as a user would."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "orders"
FLOE = Path(sys.executable).with_name("floe")


def copy_example(folder: Path) -> Path:
    """A copy of examples/orders without what runs have left there."""
    target = folder / "orders"
    shutil.copytree(EXAMPLE, target, ignore=shutil.ignore_patterns(".floe", "target", "logs", "*.duckdb"))
    return target


def run_floe(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `floe` to its end, without the settings of whoever runs the tests."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
    return subprocess.run(
        [str(FLOE), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
        env=inherited | dict(environment or {}),
    )
