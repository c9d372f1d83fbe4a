"""The code location of Dagster's UI: every product that the instance shows.

Load it as a Python module, with DAGSTER_HOME set to the instance's folder and `floe` as the location's name, so that
runs link to it:

    load_from:
      - python_module: {module_name: floe_executor.adapters.dagster_graph.code_location, location_name: floe}

Loading it again, as the UI's "Reload" does, shows what has come since.
"""

from __future__ import annotations

from typing import Any

import dagster

from floe_executor.adapters.dagster_graph.jobs import product_parts
from floe_executor.adapters.dagster_graph.live_definitions import kept_definitions
from floe_executor.errors import StartedElsewhere


def _not_here(context: dagster.AssetExecutionContext) -> None:
    raise StartedElsewhere(
        f"{context.job_name} is built by floe's executor, and was started by Dagster",
        hint="ask for a run with `floe run`, or by publishing run.requested",
    )


def definitions(instance: dagster.DagsterInstance) -> dagster.Definitions:
    """All products of an instance: assets, checks, and a job for each."""
    assets: list[Any] = []
    jobs = []
    for product in kept_definitions(instance):
        _, made, job = product_parts(product, _not_here)
        if made:
            assets += made
            jobs.append(job)
    return dagster.Definitions(assets=assets, jobs=jobs, executor=dagster.in_process_executor)


@dagster.definitions
def defs() -> dagster.Definitions:
    """What Dagster loads."""
    with dagster.DagsterInstance.get() as instance:
        return definitions(instance)
