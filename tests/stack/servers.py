"""Real Iceberg REST servers and the S3 store under them: Nessie, and Apache Iceberg's own server."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import boto3
from java_tools import fetch, find_java
from moto.server import ThreadedMotoServer

_PLACES: Final = Path(__file__).parents[2] / "deploy" / "stack"
_READY_WITHIN: Final = 90.0
_STOP_WITHIN: Final = 20.0
_LOOK_AGAIN: Final = 0.05
_SMALL: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
REGION: Final = "us-east-1"
WAREHOUSE: Final = "lake"
BUCKET: Final = "lake"


@dataclass(frozen=True, slots=True)
class S3Store:
    """A server that speaks S3 and gives session keys (STS), with one bucket.

    Attributes:
        endpoint: its address.
        access_key: of the account that owns everything.
        secret_key: the other half.
    """

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def properties(self) -> dict[str, str]:
        """The store as pyiceberg's FileIO takes it, with the owner's keys."""
        return {
            "s3.endpoint": self.endpoint,
            "s3.region": REGION,
            "s3.path-style-access": "true",
            "s3.access-key-id": self.access_key,
            "s3.secret-access-key": self.secret_key,
        }


@dataclass(frozen=True, slots=True)
class CatalogServer:
    """A running Iceberg REST server.

    Attributes:
        uri: where it speaks the protocol.
        store: where its tables stand.
    """

    uri: str
    store: S3Store
    warehouse: str = WAREHOUSE


@contextmanager
def s3_store(port: int = 0) -> Iterator[S3Store]:
    """Run an S3 store in this process, with an empty bucket. Port 0 is any that is free."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    try:
        host, bound = server.get_host_and_port()
        store = S3Store(f"http://{host}:{bound}", f"stack{secrets.token_hex(6)}", secrets.token_hex(16))
        boto3.client(
            "s3",
            endpoint_url=store.endpoint,
            aws_access_key_id=store.access_key,
            aws_secret_access_key=store.secret_key,
            region_name=REGION,
        ).create_bucket(Bucket=BUCKET)
        yield store
    finally:
        server.stop()


@contextmanager
def nessie(store: S3Store, folder: Path, port: int = 0) -> Iterator[CatalogServer]:
    """Run Nessie, which vends keys of a session for each table.

    Args:
        store: where tables stand.
        folder: for its log; made by the caller.
        port: 0 is any that is free.

    Raises:
        ToolMissing: Java or Maven is not there.
        AssertionError: it cannot be fetched, or does not start; the message has the end of its log.
    """
    java = find_java(21)
    place = _PLACES / "nessie"
    command = [
        str(java),
        *_SMALL,
        f"-Dquarkus.config.locations={place / 'application.properties'}",
        "-jar",
        fetch(place / "pom.xml", folder),
    ]
    variables = {
        "FLOE_STACK_PORT": str(port),
        "FLOE_STACK_LOCATION": f"s3://{BUCKET}/nessie",
        "FLOE_STACK_S3": store.endpoint,
        "FLOE_STACK_ACCESS_KEY": store.access_key,
        "FLOE_STACK_SECRET_KEY": store.secret_key,
    }
    with _running("nessie", command, variables, folder, r"Listening on: (http://[\w.]+:\d+)") as address:
        yield CatalogServer(f"{address}/iceberg", store)


@contextmanager
def iceberg_rest(store: S3Store, folder: Path, port: int = 0) -> Iterator[CatalogServer]:
    """Run Apache Iceberg's own server, on an SQLite file. It listens on all addresses and asks nobody who they are.

    Arguments and errors are those of `nessie`. It hands out no keys: clients bring their own.
    """
    java = find_java(17)
    class_path = fetch(_PLACES / "iceberg-rest" / "pom.xml", folder)
    command = [str(java), *_SMALL, "-cp", class_path, "org.apache.iceberg.rest.RESTCatalogServer"]
    properties = {
        "catalog.name": WAREHOUSE,
        "rest.port": str(port),
        "uri": f"jdbc:sqlite:{folder}/iceberg-rest.db",
        "warehouse": f"s3://{BUCKET}/iceberg-rest",
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "client.region": REGION,
        **store.properties,
    }
    # The server's own spelling: a dot is one underscore, a dash two.
    variables = {
        f"CATALOG_{name.replace('-', '__').replace('.', '_').upper()}": value for name, value in properties.items()
    }
    with _running("iceberg-rest", command, variables, folder, r"Started oejs\.ServerConnector.*:(\d+)\}") as bound:
        yield CatalogServer(f"http://127.0.0.1:{bound}", store)


@contextmanager
def _running(
    name: str, command: Sequence[str], variables: Mapping[str, str], folder: Path, ready: str
) -> Iterator[str]:
    """Run a server; yields what the group in `ready` matches in its log, which is where it listens."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield _listening(name, process, log, re.compile(ready))
    finally:
        process.terminate()
        try:
            process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listening(name: str, process: subprocess.Popen[bytes], log: Path, ready: re.Pattern[str]) -> str:
    deadline = time.monotonic() + _READY_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        if found := ready.search(log.read_text(errors="replace")):
            return found.group(1)
        time.sleep(_LOOK_AGAIN)
    raise AssertionError(f"{name} did not start: {log.read_text(errors='replace')[-3000:]}")
