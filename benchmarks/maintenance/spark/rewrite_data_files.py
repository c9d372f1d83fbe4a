"""Spark's `rewrite_data_files` on the benchmark's table, in an environment that has PySpark and nothing of floe.

    python benchmarks/maintenance/spark/rewrite_data_files.py FOLDER JARS

Driver and executor are one JVM with two threads. What is printed as JSON is the call alone, with the session started.
"""

from __future__ import annotations

import json
import sys
import time

import psutil
from pyspark.sql import SparkSession

CATALOG = "floe"
"""The name under which the catalog keeps its tables in the database."""
TABLE = "bench.dev.orders"
THREADS = 2
MEMORY = "1g"
TARGET_BYTES = 128 * 2**20


def main() -> None:
    """Start a session, rewrite, and tell what it took."""
    folder, jars = sys.argv[1:3]
    session = started(folder, jars)
    cpu, wall = cpu_seconds(), time.perf_counter()
    session.sql(
        f"call {CATALOG}.system.rewrite_data_files(table => '{TABLE}', "
        f"options => map('target-file-size-bytes', '{TARGET_BYTES}'))"
    ).collect()
    wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu}), flush=True)
    session.stop()


def started(folder: str, jars: str) -> SparkSession:
    """A session that reaches the catalog in the folder's SQLite file."""
    catalog = f"spark.sql.catalog.{CATALOG}"
    settings = {
        "spark.driver.memory": MEMORY,
        "spark.driver.extraClassPath": jars,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": f"{folder}/spark",
        "spark.log.level": "ERROR",
        "spark.sql.warehouse.dir": f"{folder}/spark",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        catalog: "org.apache.iceberg.spark.SparkCatalog",
        f"{catalog}.type": "jdbc",
        f"{catalog}.uri": f"jdbc:sqlite:{folder}/catalog.db",
        f"{catalog}.jdbc.schema-version": "V1",
        f"{catalog}.warehouse": f"{folder}/lake",
    }
    builder = SparkSession.builder.master(f"local[{THREADS}]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def cpu_seconds() -> float:
    """What this process and the JVM have used so far."""
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


if __name__ == "__main__":
    main()
