"""dagster-dbt as its documentation has it. Prints wall and CPU of `materialize`, without imports and first parse."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import dagster
from dagster_dbt import DbtCliResource, dbt_assets

project, profiles = Path(sys.argv[1]), sys.argv[2]
dbt = str(Path(sys.executable).with_name("dbt"))
subprocess.run([dbt, "--quiet", "parse", "--profiles-dir", profiles], cwd=project, check=True)


@dbt_assets(manifest=project / "target" / "manifest.json")
def shop(context: dagster.AssetExecutionContext, dbt: DbtCliResource):
    """The whole project."""
    yield from dbt.cli(["build"], context=context).stream()


def cpu() -> float:
    """User and system seconds of this process and its children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


resources = {"dbt": DbtCliResource(project_dir=str(project), profiles_dir=profiles, dbt_executable=dbt)}
with dagster.DagsterInstance.from_config(os.environ["DAGSTER_HOME"]) as instance:
    started, before = time.monotonic(), cpu()
    result = dagster.materialize([shop], instance=instance, resources=resources)
    measured = {"wall": time.monotonic() - started, "cpu": cpu() - before}
assert result.success
print("\n" + json.dumps(measured))
