"""The versions of dbt and its adapters that are installed here."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from floe_contracts.artifacts import Compute, Tools
from floe_contracts.errors import Where
from floe_contracts.plugins.registry import TARGETS, installed, load
from floe_dbt.errors import DbtAdapterMissing


def installed_tools() -> Tools:
    """What parses and builds on this machine, for the artifact."""
    adapters = {
        adapter: _version(adapter) for adapter in sorted(load(TARGETS, name).adapter for name in installed(TARGETS))
    }
    return Tools(
        dbt_core=version("dbt-core"), adapters={name: found for name, found in adapters.items() if found is not None}
    )


def require_adapter(compute: Compute) -> None:
    """See that dbt can speak to `compute` from here.

    Raises:
        DbtAdapterMissing: its adapter is not installed.
    """
    adapter = load(TARGETS, compute.type).adapter if compute.type in installed(TARGETS) else compute.type
    if _version(adapter) is None:
        raise DbtAdapterMissing(
            f"the dbt adapter for {compute.type} is not installed",
            where=Where(path=f"compute.{compute.name}.type"),
            hint=f"install dbt-{adapter} beside floe's compiler and executor, or choose another compute",
        )


def _version(adapter: str) -> str | None:
    try:
        return version(f"dbt-{adapter}")
    except PackageNotFoundError:
        return None
