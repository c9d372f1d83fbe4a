"""Runs on a stack that is up, from the published request to the event of their end."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from contenders import BIN, plain_environment
from measurement import Measurement, ProcessTree

from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings, load_settings
from floe_cli.products import read_product
from floe_cli.stack.folders import stack_folder
from floe_contracts import subjects
from floe_contracts.cloudevents import decode
from floe_contracts.events import RunCompleted, RunEvent, RunRequested
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.subjects import EventKind

_START_SECONDS = 120
_RUN_SECONDS = 600
_ENDS = (EventKind.RUN_COMPLETED, EventKind.RUN_FAILED, EventKind.RUN_CANCELLED)
_BACKEND = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {{name: backend, version: 1.0.0, owner: bench@example.com}}
environments: {{dev: {{profiles: {{default: {{compute: small, storage: local, catalog: local}}}}}}}}
compute: {{small: {{type: duckdb}}}}
storage: {{local: {{type: local}}}}
catalogs: {{local: {{type: sql}}}}
observability: {{lineage: {{bench: {{type: http, url: "{url}"}}}}}}
"""


class RunStack:
    """`floe up` of a product's folder, with a lineage backend at `lineage_url`; the product is compiled once."""

    def __init__(self, product: Path, lineage_url: str) -> None:
        self._product = product
        backend = product.parent / "backend.yaml"
        backend.write_text(_BACKEND.format(url=lineage_url))
        self._environment = plain_environment() | {"FLOE_LINEAGE_PLATFORM_FILE": str(backend)}
        self._process: psutil.Popen | None = None
        self._digest = ""

    def __enter__(self) -> Self:
        command = [str(BIN / "floe"), "up", str(self._product), "--http-port", "0"]
        self._process = psutil.Popen(
            command, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, env=self._environment
        )
        deadline = time.monotonic() + _START_SECONDS
        for line in self._process.stdout:
            if line.startswith("ready"):
                break
            if time.monotonic() > deadline:
                raise RuntimeError("floe up did not become ready")
        else:
            raise RuntimeError("floe up ended before it was ready")
        command = [str(BIN / "floe"), "compile", str(self._product), "--format", "json"]
        subprocess.run(command, check=True, capture_output=True, env=plain_environment())
        self.run()  # what the first run makes once is not what is measured
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)

    def run(self) -> Measurement:
        """One run of the artifact that is live. Wall is from the request to its end; CPU is that of the whole stack."""
        tree = ProcessTree(self._process.pid)
        tree.look()
        before = tree.cpu
        started = asyncio.run(self._request_and_wait())
        tree.look()
        return Measurement(started, tree.cpu - before, tree.peak_rss / 2**20)

    async def _request_and_wait(self) -> float:
        stack = stack_folder(self._product).running()
        settings = load_settings(
            ChassisSettings, plain_environment() | stack_folder(self._product).environment(stack.nats_url)
        )
        bus = Bus("bench", settings)
        await bus.connect()
        try:
            return await self._timed(bus, Place(settings.tenant, "dev", read_product(self._product).name))
        finally:
            await bus.close()

    async def _timed(self, bus: Bus, place: Place) -> float:
        cause = str(uuid.uuid4())
        run = run_id(place, cause)
        ended: asyncio.Future[RunEvent] = asyncio.get_running_loop().create_future()

        async def heard(message: object) -> None:
            event = decode(message.subject, message.headers, message.data).event
            if event.run_id == run and not ended.done():
                ended.set_result(event)

        for kind in _ENDS:
            await bus.nc.subscribe(subjects.pattern(kind, product=place.product), cb=heard)
        await bus.nc.flush()
        request = RunRequested(
            tenant=place.tenant,
            environment=place.environment,
            product=place.product,
            artifact_digest="latest",
            requester="bench",
            reason="measured",
        )
        started = time.monotonic()
        await bus.publish(request, id=cause)
        outcome = await asyncio.wait_for(ended, _RUN_SECONDS)
        took = time.monotonic() - started
        if not isinstance(outcome, RunCompleted):
            raise RuntimeError(f"the run did not complete: {outcome}")  # noqa: TRY004 -- what came is no wrong argument
        return took
