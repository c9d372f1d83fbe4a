"""What dbt printed, as events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from floe_dbt.events import NodeEvent, node_event


def node_events(lines: Iterable[str | bytes]) -> Iterator[NodeEvent]:
    """The node events of dbt's output; lines that are no structured log are passed over."""
    for line in lines:
        try:
            raw = json.loads(line)
        except ValueError:
            continue
        if isinstance(raw, dict) and {"info", "data"} <= raw.keys():
            event = node_event(raw)
            if event is not None:
                yield event
