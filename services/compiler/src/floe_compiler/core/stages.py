"""The stages of a compilation, in their order."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """One step from a submission to an artifact."""

    LOAD = "load"
    """Bring the bundle and both documents to disk."""
    VALIDATE = "validate"
    """Read both documents; every problem of both at once."""
    RESOLVE = "resolve"
    """Find out what is meant: the profiles of every environment, and the dbt project as it is in each."""
    ENFORCE = "enforce"
    """Hold the project against what floe.yaml says of it, against the rules, and against the data contracts."""
    COMPILE = "compile"
    """Put the artifact together, and say what it changes."""
    GENERATE = "generate"
    """Store the artifact and its parts under their digests."""
