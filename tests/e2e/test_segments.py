"""The example with a Python transform, run as a reader would run it."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
from e2e_project import ROOT, run_floe


def test_the_example_with_a_python_transform_runs(tmp_path: Path) -> None:
    product = tmp_path / "segments"
    shutil.copytree(ROOT / "examples" / "segments", product, ignore=shutil.ignore_patterns(".floe", "__pycache__"))

    done = run_floe("run", product)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "python.segments.customer_segments" in done.stdout
    assert "error" not in done.stdout
    with duckdb.connect() as connection:
        files = f"{product}/.floe/lake/default.dev.segments.main/segment_sizes/data/**/*.parquet"
        sizes = dict(connection.execute("select segment, customers from read_parquet(?)", [files]).fetchall())
    assert set(sizes) == {"loyal", "promising", "at risk", "lost"}
    assert sum(sizes.values()) == 40
