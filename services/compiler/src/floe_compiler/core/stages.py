"""The stages of a compilation, in their order."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """One step from a submission to an artifact."""

    LOAD = "load"
    """Fetch the bundle and read both documents."""
    RESOLVE = "resolve"
    """Look up the logical profile names of every environment."""
    COMPILE = "compile"
    """Parse the dbt project once for every environment."""
    GENERATE = "generate"
    """Store the parts and assemble the artifact."""
