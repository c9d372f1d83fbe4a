"""The parts of a product as Dagster's partitions."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import dagster

from floe_contracts.compiled_product import CompiledPartitions
from floe_contracts.openlineage.naming import Place

_CLOCKS: Final = {
    "hourly": ("0 * * * *", "%Y-%m-%d-%H:%M"),
    "daily": ("0 0 * * *", "%Y-%m-%d"),
    "weekly": ("0 0 * * 1", "%Y-%m-%d"),
    "monthly": ("0 0 1 * *", "%Y-%m-%d"),
}


def partitions_definition(place: Place, partitions: CompiledPartitions) -> dagster.PartitionsDefinition[str]:
    """Dagster's definition; the keys are those of floe."""
    if partitions.type == "static":
        return dagster.StaticPartitionsDefinition(list(partitions.keys))
    if partitions.type == "dynamic":
        return dagster.DynamicPartitionsDefinition(name=dynamic_name(place, partitions))
    cron, form = _CLOCKS[partitions.type]
    last = date.fromisoformat(partitions.end) + timedelta(days=1) if partitions.end else None
    return dagster.TimeWindowPartitionsDefinition(
        start=date.fromisoformat(partitions.start or "").strftime(form),
        end=last.strftime(form) if last else None,
        fmt=form,
        cron_schedule=cron,
        timezone=partitions.timezone or "UTC",
    )


def dynamic_name(place: Place, partitions: CompiledPartitions) -> str:
    """What a set of dynamic partitions is called in an instance that all products share."""
    return f"{place.tenant}/{place.environment}/{place.product}/{partitions.name}"
