"""A compiler service of its own, beside a nats-server of its own: the process that is measured.

Started with a folder to work in. Says `ready` when the service takes submissions; then answers each line of JSON on
stdin, `{"folder", "product", "submission", "dry_run"}`, with a line of JSON: how long it took to pack the folder, how
long from the published submission to what the compiler announced of it, and the artifact's digest. Ends with its stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from floe_chassis.blobs import open_blobs
from floe_chassis.bus import Bus
from floe_chassis.nats_server import NatsServer
from floe_chassis.settings import ChassisSettings
from floe_chassis.source_bundles import pack
from floe_chassis.topology import ARTIFACTS, declared
from floe_chassis.topology_apply import apply
from floe_compiler.app import create_app
from floe_contracts import subjects
from floe_contracts.cloudevents import decode
from floe_contracts.events import SpecSubmitted, submission_event_id
from floe_contracts.subjects import EventKind

TENANT = "default"
OUTCOMES = (EventKind.ARTIFACT_COMPILED, EventKind.ARTIFACT_PLANNED, EventKind.ARTIFACT_REJECTED)


async def main(folder: Path) -> None:
    """Serve until stdin ends."""
    server = NatsServer(folder / "nats")
    server.start()
    try:
        await serve(folder, server.url)
    finally:
        server.stop()


async def serve(folder: Path, nats_url: str) -> None:
    """Start the service, and answer."""
    blobs_url = (folder / "blobs").as_uri()
    settings = ChassisSettings(nats_url=nats_url, blobs_url=blobs_url, work_dir=folder / "work", http_port=0)
    bus = Bus("bench", settings)
    await bus.connect(wait=False)
    await apply(bus, declared(settings))
    service = create_app(
        {
            "FLOE_NATS_URL": nats_url,
            "FLOE_BLOBS_URL": blobs_url,
            "FLOE_WORK_DIR": str(folder / "work"),
            "FLOE_HTTP_PORT": "0",
        }
    )
    await service.start()
    print("ready", flush=True)
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await compiled(bus, settings, json.loads(line))), flush=True)
    finally:
        await service.stop(grace=5.0)
        await bus.close()


async def compiled(bus: Bus, settings: ChassisSettings, asked: dict[str, Any]) -> dict[str, Any]:
    """Pack, submit, and wait for the outcome."""
    started = time.monotonic()
    blobs = open_blobs(settings.blobs_url)
    folder = Path(asked["folder"])
    submitted = SpecSubmitted(
        tenant=TENANT,
        product=asked["product"],
        submission=asked["submission"],
        bundle=await pack(folder, blobs),
        platform=await blobs.put((folder / "platform.yaml").read_bytes()),
        dry_run=asked["dry_run"],
    )
    packed = time.monotonic()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    patterns = [subjects.pattern(kind, tenant=TENANT, product=submitted.product) for kind in OUTCOMES]
    listening = [await bus.js.subscribe(pattern, stream=ARTIFACTS, ordered_consumer=True) for pattern in patterns]
    waiting = [asyncio.ensure_future(_outcome(one, submitted.submission, heard)) for one in listening]
    await bus.publish(submitted, id=submission_event_id(submitted))
    outcome = await heard.get()
    done = time.monotonic()
    for task in waiting:
        task.cancel()
    for one in listening:
        await one.unsubscribe()
    if outcome.kind is EventKind.ARTIFACT_REJECTED:
        raise RuntimeError(f"rejected: {outcome.problems}")
    return {"pack": packed - started, "compile": done - packed, "digest": outcome.artifact_digest}


async def _outcome(subscription: Any, submission: str, heard: asyncio.Queue[Any]) -> None:
    async for message in subscription.messages:
        event = decode(message.subject, message.headers, message.data).event
        if getattr(event, "submission", None) == submission:
            await heard.put(event)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
