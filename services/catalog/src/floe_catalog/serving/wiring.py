"""The files for readers, put together."""

from __future__ import annotations

from functools import partial

from floe_catalog.adapters.serve_databases import ServeDatabases
from floe_catalog.adapters.snapshot_pins import SnapshotPins
from floe_catalog.serving.keeping import ServeKeeper
from floe_catalog.wiring import Parts
from floe_chassis.topology import SNAPSHOT_PINS_BUCKET


def keep_serve_databases(parts: Parts) -> None:
    """Have the service keep a `serve.duckdb` for each product, if a folder for them is set."""
    folder = parts.settings.serve_dir
    if folder is None:
        return
    keeper = ServeKeeper(
        parts.products,
        ServeDatabases(parts.calls, folder),
        SnapshotPins(partial(parts.service.bus.key_value, SNAPSHOT_PINS_BUCKET)),
        seconds=parts.settings.reconcile_seconds,
    )
    parts.teller.on_change(keeper.mark)
    parts.service.task("serve", keeper.run)
    parts.service.on_stop(keeper.finish)
