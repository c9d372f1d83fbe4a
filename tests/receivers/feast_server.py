"""Feast's lineage server in a process of its own, and its API."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final
from urllib.parse import urlencode

import yaml

from floe_chassis.testing import free_port

FEAST: Final = Path(__file__).parents[2] / ".venv-receivers" / "bin" / "feast"
KEY: Final = "key-of-feast"
_READY_WITHIN: Final = 120.0
_STOP_WITHIN: Final = 20.0
_ANSWERS_WITHIN: Final = 30.0
_LOOK_AGAIN: Final = 0.1
_READ: Final = "/api/v1/lineage/openlineage"
_EVENTS_AT_ONCE: Final = 1000
_DATABASE: Final = "lineage.db"


class FeastServer:
    """A lineage server on a port and a database of its own, which it keeps when it is stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()
        (folder / "feature_store.yaml").write_text(yaml.safe_dump(_store(folder)))

    @property
    def url(self) -> str:
        """Its address, without the path of its API."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            AssertionError: it does not start; the message has the end of its log.
        """
        log = self._folder / "feast.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(FEAST), "serve_lineage", "--host", "127.0.0.1", "--port", str(self._port)],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = monotonic() + _READY_WITHIN
        while self._process.poll() is None and monotonic() < deadline:
            try:
                self.read("namespaces")
            except urllib.error.URLError:
                sleep(_LOOK_AGAIN)
            else:
                return
        raise AssertionError(f"Feast did not start: {log.read_text(errors='replace')[-3000:]}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; without effect if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            try:
                process.wait(_STOP_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def forget(self) -> None:
        """Start it anew, without anything that it had."""
        self.stop()
        (self._folder / _DATABASE).unlink()
        self.start()

    def read(self, what: str, **query: str | int) -> Any:
        """What it answers below its own part of the API."""
        address = f"{self.url}{_READ}/{what}?{urlencode(query)}"
        with urllib.request.urlopen(address, timeout=_ANSWERS_WITHIN) as answer:  # noqa: S310 - our own http address
            return json.load(answer)

    def events(self) -> list[dict[str, Any]]:
        """The events that it has stored, each as often as it did."""
        found: list[dict[str, Any]] = []
        while page := self.read("events", limit=_EVENTS_AT_ONCE, offset=len(found))["events"]:
            found += [json.loads(one["event_json"]) for one in page]
        return found

    def column_lineage(self, namespace: str, name: str) -> set[tuple[str, ...]]:
        """What each column of a dataset comes from: the column, then namespace, name and column of the input.

        From its database: the API has a place for this, which finds no namespace with a slash in it.
        """
        query = (
            "select output_field, input_namespace, input_name, input_field from openlineage_column_lineage"
            " where dataset_namespace = ? and dataset_name = ?"
        )
        return {(*map(str, row),) for row in self._rows(query, namespace, name)}

    def stored(self, producer: str) -> int:
        """How many events of a producer it has. From its database: it answers nothing while it takes a batch."""
        ((count,),) = self._rows("select count(*) from openlineage_events where producer = ?", producer)
        return int(count)

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._folder / _DATABASE, timeout=_ANSWERS_WITHIN)) as connection:
            return connection.execute(query, values).fetchall()


def _store(folder: Path) -> dict[str, Any]:
    """A feature store without features."""
    return {
        "project": "floe",
        "provider": "local",
        "registry": {"registry_type": "sql", "path": f"sqlite:///{folder}/registry.db"},
        "online_store": {"type": "sqlite", "path": str(folder / "online.db")},
        "entity_key_serialization_version": 3,
        "openlineage": {
            "enabled": True,
            "namespace": "floe",
            "consumer": {
                "enabled": True,
                "store_type": "sql",
                "connection_string": f"sqlite:///{folder / _DATABASE}",
                "api_key": KEY,
            },
        },
    }
