"""The process that works on tables: what pyiceberg and DuckDB take is not the service's, nor is Python's lock.

The table comes as the first message on stdin, then one action after the other. When stdin closes the service is gone,
and so is this process, wherever it is: a commit has been made or not, and what is left is found later. The answers
leave on what was stdout; whatever a library prints goes to stderr.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import threading
import time
import traceback
from pathlib import Path
from typing import BinaryIO, Final

from pyiceberg.catalog import Catalog

from floe_catalog.core.maintenance_actions import Failure
from floe_catalog.errors import ActionFailed, ActionStopped
from floe_catalog.maintenance.action_job import (
    ActionJob,
    Confirm,
    Confirmed,
    Done,
    LookBack,
    Message,
    OpenTable,
    Progress,
    Stop,
    TableJob,
    read,
    write,
)
from floe_catalog.maintenance.actions import run_action
from floe_catalog.maintenance.earlier_attempts import expired_since, finished_earlier
from floe_chassis.fault_points import reach_blocking
from floe_contracts.errors import FloeError, Transient
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.errors import TableMissing
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.tables import find_table

_BETWEEN_TELLING_SECONDS: Final = 0.2


class Service:
    """The service at the other end of the pipes."""

    def __init__(self, asked: BinaryIO, answers: BinaryIO) -> None:
        self._asked = asked
        self._answers = answers
        self._coming: queue.Queue[Message] = queue.Queue()
        self._stop: Stop | None = None
        threading.Thread(target=self._listen, name="service", daemon=True).start()

    def next_message(self) -> Message:
        """Wait for what the service says next."""
        return self._coming.get()

    def tell(self, message: Message) -> None:
        """Say something to the service."""
        write(self._answers, message)

    def begin(self) -> None:
        """Forget what has stopped the work before this."""
        self._stop = None

    def go_on(self) -> None:
        """Do nothing unless the work is to stop.

        Raises:
            ActionStopped: it is.
        """
        if self._stop is not None:
            raise ActionStopped(self._stop.reason)

    def confirm(self) -> None:
        """Ask whether a commit may be made.

        Raises:
            ActionStopped: it may not.
        """
        self.go_on()
        self.tell(Confirm())
        if not isinstance(self.next_message(), Confirmed):
            self.go_on()

    def _listen(self) -> None:
        while (message := read(self._asked)) is not None:
            if isinstance(message, Stop):
                self._stop = message
            self._coming.put(message)
        os._exit(1)


class Reporter:
    """Tells how far an action is, now and then; the points at which a test can hold it are here."""

    def __init__(self, service: Service, job: ActionJob) -> None:
        self._service = service
        self._name = job.action
        self._told_at = 0.0
        self._fenced = False

    def progress(self, done: int, total: int) -> None:
        """Say how far it is.

        Raises:
            ActionStopped: it is to stop.
        """
        self._service.go_on()
        if self._fenced:
            reach_blocking(f"{self._name}-deleting" if done else f"{self._name}-committed")
        else:
            reach_blocking(f"{self._name}-working" if done else f"{self._name}-planned")
        if (now := time.monotonic()) - self._told_at >= _BETWEEN_TELLING_SECONDS or done >= total:
            self._told_at = now
            self._service.tell(Progress(done=done, total=total))

    def fence(self) -> None:
        """Ask whether a commit may be made.

        Raises:
            ActionStopped: it may not.
        """
        reach_blocking(f"{self._name}-before-commit")
        self._service.confirm()
        self._fenced = True

    def ended(self) -> None:
        """The action has come to its end."""
        reach_blocking(f"{self._name}-done")


def main() -> None:
    """Do what the service asks until it is gone."""
    faulthandler.enable()  # on stderr: where it hung, should the service have to end it
    service = _service()
    catalogs: dict[frozenset[tuple[str, str]], Catalog] = {}
    catalog: Catalog | None = None
    identifier: Identifier = ()
    while True:
        message = service.next_message()
        service.begin()
        try:
            match message:
                case TableJob():
                    catalog, identifier = _opened(catalogs, message.catalog), message.identifier
                    service.tell(_open_table(catalog, identifier))
                case ActionJob() if catalog is not None:
                    service.tell(_done(service, catalog, identifier, message))
                case LookBack() if catalog is not None:
                    service.tell(Done(report=expired_since(catalog, identifier, message.metadata_location)))
                case _:  # an answer that nobody waits for any more
                    continue
        except FloeError as error:
            service.tell(_failure(error))
        except Exception as error:  # noqa: BLE001 -- the table may hold what floe has never seen; the service goes on
            traceback.print_exc()
            service.tell(_failure(ActionFailed(f"{type(error).__name__}: {error}")))


def _service() -> Service:
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return Service(asked, answers)


def _opened(catalogs: dict[frozenset[tuple[str, str]], Catalog], properties: dict[str, str]) -> Catalog:
    """The catalog, of which only the last one stays open."""
    key = frozenset(properties.items())
    if key not in catalogs:
        catalogs.clear()
        catalogs[key] = open_catalog(properties)
    return catalogs[key]


def _open_table(catalog: Catalog, identifier: Identifier) -> OpenTable:
    table = find_table(catalog, identifier)
    if table is None:
        raise TableMissing(f"there is no table {dotted(identifier)}")
    return OpenTable(
        table_uuid=str(table.metadata.table_uuid),
        snapshot_id=table.metadata.current_snapshot_id,
        metadata_location=table.metadata_location,
    )


def _done(service: Service, catalog: Catalog, identifier: Identifier, job: ActionJob) -> Done:
    reporter = Reporter(service, job)
    report = run_action(catalog, identifier, job, reporter.fence, reporter.progress)
    reporter.ended()
    return Done(report=finished_earlier(catalog, identifier, job, report))


def _failure(error: FloeError) -> Failure:
    return Failure(code=error.code, message=error.message, hint=error.hint, transient=isinstance(error, Transient))


if __name__ == "__main__":
    main()
