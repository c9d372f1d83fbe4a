"""What cannot be said in Cube."""

from __future__ import annotations


class Untranslatable(Exception):
    """Something of the dbt project that has no counterpart in Cube; the text says what.

    It never leaves the core: what raised it is left out of the bundle, and its text goes among what was skipped.
    """
