"""Builds dbt projects as `dbt build` does, one after another, without floe: a program of its own.

    python plain_dbt.py FOLDER...

dbt is imported once, and each build is a fork of that: nothing of one is in another. Of the build with the number N,
the database and dbt's results are kept in the folder `built/N` of the project. What stands in the folder `second` of a
project replaces its files before it is built once more.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
from pathlib import Path

import duckdb
from dbt.cli.main import cli
from dbt_common.tests import enable_test_caching


def build(folder: Path) -> None:
    """Build one project, once or twice."""
    _build(folder, 0)
    if (folder / "second").exists():
        shutil.copytree(folder / "second", folder, dirs_exist_ok=True)
        _build(folder, 1)


def _build(folder: Path, number: int) -> None:
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        if (folder / "packages.yml").exists():
            run("deps", "--profiles-dir", ".")
        run("build", "--profiles-dir", ".")
        atexit._run_exitfuncs()  # dbt-duckdb closes its database here
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
    kept = folder / "built" / str(number)
    made = kept.with_suffix(".part")
    made.mkdir(parents=True)
    for file in (*folder.glob("*.duckdb"), *(folder / "target").glob("*.json")):
        shutil.copyfile(file, made / file.name)
    made.rename(kept)


def run(*arguments: str) -> None:
    """Run one command of dbt."""
    try:
        cli(args=["--no-send-anonymous-usage-stats", *arguments], prog_name="dbt")
    except SystemExit:
        return


if __name__ == "__main__":
    first, *_ = folders = [Path(argument) for argument in sys.argv[1:]]
    enable_test_caching()  # the macros that come with dbt are read here, once for all children
    run("--no-static-parser", "parse", "--project-dir", str(first), "--profiles-dir", str(first))
    duckdb.default_connection().close()  # it has threads, which no child inherits
    for each in folders:
        build(each)
