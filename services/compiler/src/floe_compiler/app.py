"""Starting the compiler."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from floe_chassis.settings import ChassisSettings, load_settings
from floe_compiler.settings import CompilerSettings
from floe_dbt import shared

if TYPE_CHECKING:
    from floe_chassis.service import Service


def create_app(environment: Mapping[str, str]) -> Service:
    """The compiler with its settings from `environment`."""
    chassis = load_settings(ChassisSettings, environment)
    settings = load_settings(CompilerSettings, environment)
    work = (chassis.work_dir / "compiler").resolve()
    dbt_folder = (settings.dbt_folder or work / "dbt").resolve()
    dbt = shared.acquire(dbt_folder)
    # dbt takes seconds to get warm, in a process of its own; meanwhile this one imports what it needs itself.
    from floe_compiler.wiring import wire

    service = wire(environment, chassis, settings, work, dbt)

    async def stop() -> None:
        await asyncio.to_thread(shared.release, dbt_folder)

    service.on_stop(stop)
    return service
