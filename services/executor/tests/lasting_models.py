"""Models that keep dbt busy for as long as a test needs it, on every machine."""

from __future__ import annotations

from pathlib import Path

ENDLESS = "select count(*) as n from range(1000000000) a, range(1000000000) b where a.range % 7 = b.range % 11"


def endless_once(begun: Path, after: str) -> str:
    """The Python of a model that does not end when it is built first, and ends at once from then on.

    Args:
        begun: a file that is made as soon as dbt builds it.
        after: the model that it depends on.
    """
    return f"""import pathlib

def model(dbt, session):
    dbt.ref({after!r})
    begun = pathlib.Path({str(begun)!r})
    if begun.exists():
        return session.sql("select 2 as n")
    begun.touch()
    return session.sql({ENDLESS!r})
"""


def held(go: Path, after: str) -> str:
    """The Python of a model that is built once a file is there.

    Args:
        go: that file.
        after: the model that it depends on.
    """
    return f"""import pathlib, time

def model(dbt, session):
    dbt.ref({after!r})
    while not pathlib.Path({str(go)!r}).exists():
        time.sleep(0.02)
    return session.sql("select 2 as n")
"""
