"""Wiring of the compiler."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from floe_chassis.blobs import open_blobs
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings, load_settings
from floe_chassis.topology import COMPILER
from floe_compiler.adapters.dbt_parser import WarmDbtParser
from floe_compiler.adapters.sources import BundleSources
from floe_compiler.compilation import Compiler
from floe_compiler.handlers import Handlers
from floe_compiler.settings import CompilerSettings
from floe_contracts.events import SpecSubmitted
from floe_dbt import shared


def create_app(environment: Mapping[str, str]) -> Service:
    """The compiler with its settings from `environment`."""
    chassis = load_settings(ChassisSettings, environment)
    settings = load_settings(CompilerSettings, environment)
    service = Service("compiler", chassis)
    work = (chassis.work_dir / "compiler").resolve()
    dbt_folder = (settings.dbt_folder or work / "dbt").resolve()
    dbt = shared.acquire(dbt_folder)
    blobs = open_blobs(chassis.blobs_url)
    compiler = Compiler(
        sources=BundleSources(blobs, work / "sources", settings.platform_file),
        parser=WarmDbtParser(dbt, work / "parsed"),
        blobs=blobs,
    )
    service.subscribe(COMPILER, SpecSubmitted, Handlers(compiler, service.bus).spec_submitted)

    async def stop() -> None:
        await asyncio.to_thread(shared.release, dbt_folder)

    service.on_stop(stop)
    return service
