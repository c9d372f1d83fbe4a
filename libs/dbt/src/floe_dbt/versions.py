"""The versions of dbt and its adapters that are installed here."""

from __future__ import annotations

from importlib.metadata import version

from floe_contracts.artifacts import Tools
from floe_dbt.profiles import COMPUTES


def installed_tools() -> Tools:
    """What parses and builds on this machine, for the artifact."""
    return Tools(dbt_core=version("dbt-core"), adapters={adapter: version(f"dbt-{adapter}") for adapter in COMPUTES})
