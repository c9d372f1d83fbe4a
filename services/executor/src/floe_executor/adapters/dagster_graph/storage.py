"""Dagster's local storage, with its database engines kept.

Dagster's own SQLite storages make a new engine for every statement, and a new database for every run: for the example
shop 3 s of CPU a run, most of it compiling the same statements again. These keep one engine each, and all runs share
one database. They are named in the instance's dagster.yaml, so that Dagster's UI opens the same files.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Self

from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event

_BUSY_SECONDS = 30


def _kept_engine(conn_string: str) -> Engine:
    engine = create_engine(conn_string, connect_args={"timeout": _BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        # The history of runs is no source of truth: a power loss may cost its last moments.
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


class KeptEventLogStorage(ConsolidatedSqliteEventLogStorage):
    """The events of all runs in one SQLite database."""

    @cached_property
    def _kept(self) -> Engine:
        return _kept_engine(self._conn_string)

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        with self._kept.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the database."""
        self._kept.dispose()
        super().dispose()  # type: ignore[no-untyped-call]


class KeptRunStorage(SqliteRunStorage):
    """The records of runs in one SQLite database."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """What Dagster calls for the class that dagster.yaml names; the base class would make one of itself."""
        return cls.from_local(inst_data=inst_data, **config_value)

    @cached_property
    def _kept(self) -> Engine:
        return _kept_engine(self._conn_string)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection in a transaction."""
        with self._kept.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the database."""
        self._kept.dispose()
        super().dispose()
