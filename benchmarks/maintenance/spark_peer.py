"""Spark beside the contenders of this benchmark: what it needs, and one run of its `rewrite_data_files`."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "tests" / "stack")]

from java_tools import ToolMissing, fetch, find_java  # noqa: E402 - found by the path above
from measurement import Measurement, measure_command  # noqa: E402

JAVA = 17
PROGRAM = HERE / "spark" / "rewrite_data_files.py"


class SparkMissing(Exception):
    """Something that Spark needs is not there."""


@dataclass(frozen=True, slots=True)
class Spark:
    """Where Spark is.

    Attributes:
        python: of the virtual environment with PySpark.
        java_home: the Java that it runs with.
        jars: the class path of Iceberg's library for Spark and of the catalog's database.
    """

    python: Path
    java_home: Path
    jars: str


def find_spark(venv: Path, folder: Path) -> Spark:
    """Find PySpark and Java, and have Maven fetch the rest.

    Raises:
        SparkMissing: one of them is not there; the message says which.
    """
    python = venv.absolute() / "bin" / "python"
    if not list(venv.glob("lib/python*/site-packages/pyspark")):
        raise SparkMissing(f"{venv} has no PySpark")
    try:
        java = find_java(JAVA)
        return Spark(python, java.resolve().parents[1], fetch(PROGRAM.with_name("pom.xml"), folder))
    except (ToolMissing, AssertionError) as missing:
        raise SparkMissing(str(missing)) from missing


def rewrite_data_files(spark: Spark, folder: Path) -> tuple[Measurement, Measurement]:
    """Compact the table of the folder by Spark.

    Returns:
        What the whole command took, with the start of Python and the JVM, and what the call took, in a session that
        had started. The peak of both is that of all processes together.

    Raises:
        RuntimeError: it failed.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    environment["JAVA_HOME"] = str(spark.java_home)
    command = [str(spark.python), str(PROGRAM), str(folder), spark.jars]
    whole, output = measure_command(command, cwd=folder, environment=environment)
    told = json.loads(next(line for line in output.splitlines() if line.startswith('{"wall"')))
    return whole, Measurement(told["wall"], told["cpu"], whole.rss_mb)
