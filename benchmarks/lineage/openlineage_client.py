"""openlineage-python as a contender: sends so many events with one of its transports, and says what that took.

    python openlineage_client.py http|async_http URL EVENTS

The events are made before the clock starts; what they cost to serialise is the client's own, and counted.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from lineage_events import run_events
from openlineage.client import OpenLineageClient


def main(kind: str, url: str, count: int) -> None:
    """Send, and print wall and CPU seconds and the peak in MB."""
    client = OpenLineageClient(config={"transport": {"type": kind, "url": url, "max_queue_size": count + 1}})
    for event in run_events(2, first=count):  # connections are made, modules are imported
        client.emit(event)
    events = list(run_events(count))
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    for event in events:
        client.emit(event)
    client.close(timeout=600)
    after = resource.getrusage(resource.RUSAGE_SELF)
    taken = {
        "wall": time.monotonic() - started,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "rss_mb": after.ru_maxrss / 1024,
    }
    print(json.dumps(taken))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
