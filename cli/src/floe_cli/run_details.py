"""What the events tell of one run."""

from __future__ import annotations

from datetime import datetime, timedelta

from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import EVENTS
from floe_cli.follow.listening import below
from floe_cli.follow.progress import Progress, after
from floe_cli.stack.connection import Connection
from floe_contracts import subjects
from floe_contracts.cloudevents import decode
from floe_contracts.errors import ContractError
from floe_contracts.events import RunEvent
from floe_contracts.runs import RunRecord


async def read_progress(connection: Connection, record: RunRecord) -> Progress:
    """How far a run is, folded from its events; those that the stream has forgotten are left out."""
    progress = Progress.of_run()
    # The clocks of the bus and of the executor need not agree.
    since = datetime.fromisoformat(record.requested_at) - timedelta(minutes=5)
    for pattern in (f"{subjects.ROOT}.node.*.{below(record.place)}.*", f"{subjects.ROOT}.run.*.{below(record.place)}"):
        async for message in read_stream(connection.bus.js, EVENTS, pattern, since=since):
            try:
                event = decode(message.subject, message.headers, message.data).event
            except ContractError:
                continue  # a newer floe may publish kinds that this one does not know
            if isinstance(event, RunEvent) and event.run_id == record.run_id:
                progress = after(progress, event)
    return progress
