"""The shared Dagster instance: its folder, its configuration, and how this process writes to it."""

from __future__ import annotations

import fcntl
import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import dagster
from dagster._core.events import DagsterEventBatchMetadata
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData

from floe_executor.adapters.dagster_graph.bulk_events import store_events

_MARK: Final = "# Written by floe, and written again when it changes: to keep a file of your own, leave this line out."
_EARLIER_MARK: Final = "telemetry: {enabled: false}\n# The services share one process in the embedded stack"
"""How the file began before it was marked."""
_NOT_YIELDED: Final = "did not yield or return expected outputs"
"""What Dagster says of checks that do not go through its engine; ours are recorded otherwise."""
_PACKAGE: Final = __name__.rpartition(".")[0]
_CONFIG: Final = f"""\
{_MARK}
telemetry: {{enabled: false}}
compute_logs: {{module: {_PACKAGE}.build_logs, class: BuildLogManager, config: {{base_dir: LOGS}}}}
event_log_storage: {{module: {_PACKAGE}.storage, class: KeptEventLogStorage, config: {{base_dir: HISTORY}}}}
run_storage: {{module: {_PACKAGE}.storage, class: KeptRunStorage, config: {{base_dir: HISTORY}}}}
"""


class BatchingInstance(dagster.DagsterInstance):
    """The instance as the executor writes to it: what Dagster means to build is stored in one go."""

    def handle_new_event(
        self, event: EventLogEntry, *, batch_metadata: DagsterEventBatchMetadata | None = None
    ) -> None:
        """Keep the events of a batch until its end; Dagster sends the plan of a run as one."""
        if event.dagster_event is None and _NOT_YIELDED in event.user_message:
            return
        if batch_metadata is None:
            super().handle_new_event(event)
            return
        batch = self._batches[batch_metadata.id]
        batch.append(event)
        if batch_metadata.is_end:
            del self._batches[batch_metadata.id]
            store_events(self, batch)

    def get_yaml_python_handlers(self) -> Sequence[logging.Handler]:
        """The handlers that dagster.yaml names.

        Dagster configures the logging of the whole process for them in every run, also where there are none. That
        closes the handlers of the service, and two runs that begin at once can wait for each other's locks for ever.
        """
        return super().get_yaml_python_handlers() if self.get_python_log_dagster_handler_config() else []

    @property
    def _batches(self) -> dict[str, list[EventLogEntry]]:
        return self.__dict__.setdefault("_floe_batches", defaultdict(list))  # type: ignore[no-any-return]


def open_instance(home: Path) -> dagster.DagsterInstance:
    """The instance of a folder, which is made if need be; takes seconds the first time.

    The folder's dagster.yaml is floe's own, unless somebody has put another there: that one is left alone.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "floe.lock").open("a") as lock:
        # Executors that make the same storage at the same time stumble over each other's tables.
        fcntl.flock(lock, fcntl.LOCK_EX)
        _write_config(home)
        reference = InstanceRef.from_dir(str(home))
        batching = ConfigurableClassData(BatchingInstance.__module__, BatchingInstance.__qualname__, "{}")
        return dagster.DagsterInstance.from_ref(reference._replace(custom_instance_class_data=batching))


def _write_config(home: Path) -> None:
    file = home / "dagster.yaml"
    wanted = _CONFIG.replace("HISTORY", json.dumps(str(home / "history"))).replace(
        "LOGS", json.dumps(str(home / "logs"))
    )
    found = file.read_text() if file.exists() else _MARK
    if found == wanted or not found.startswith((_MARK, _EARLIER_MARK)):
        return
    written = home / "dagster.yaml.new"
    written.write_text(wanted)
    written.replace(file)
