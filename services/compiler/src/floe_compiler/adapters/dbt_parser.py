"""Parsing through the warm dbt fork server; one stable folder a place and environment, so that it parses partially."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from floe_compiler.core.ports import ParsedProject
from floe_contracts.artifacts import CompiledEnvironment, Tools
from floe_dbt.database_names import database_name
from floe_dbt.nodes import read_nodes
from floe_dbt.parse import parse_project
from floe_dbt.profiles import write_profile
from floe_dbt.versions import installed_tools
from floe_dbt.warm_dbt import WarmDbt


class WarmDbtParser:
    """Fulfils `DbtParser`."""

    def __init__(self, dbt: WarmDbt, folder: Path) -> None:
        self._dbt = dbt
        self._folder = folder

    def tools(self) -> Tools:
        return installed_tools()

    async def parse(
        self, folder: Path, *, place: str, environment: str, product: str, compiled: CompiledEnvironment
    ) -> ParsedProject:
        return await asyncio.to_thread(self._parse, folder, place, environment, product, compiled)

    def _parse(
        self, folder: Path, place: str, environment: str, product: str, compiled: CompiledEnvironment
    ) -> ParsedProject:
        state = self._folder / place / environment
        database = state / f"{database_name(product)}.duckdb"
        profile = write_profile(
            state / "profiles",
            environment=environment,
            compute=compiled.compute,
            database=database,
            allowed_directories=[],
        )
        parsed = parse_project(
            self._dbt,
            folder,
            environment=environment,
            profiles_dir=profile.parent,
            state_dir=state,
            source=os.environ,
        )
        return ParsedProject(parsed.manifest, read_nodes(parsed.manifest))
