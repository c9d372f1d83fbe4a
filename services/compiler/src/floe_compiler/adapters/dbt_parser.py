"""Parsing through the warm dbt fork server; one stable folder a place and environment, so that it parses partially."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from floe_compiler.core.ports import ParsedProject
from floe_contracts.artifacts import CompiledEnvironment, Tools
from floe_dbt.database_names import database_name
from floe_dbt.fingerprints import read_project_files
from floe_dbt.garbage import collecting_seldom
from floe_dbt.nodes import read_nodes
from floe_dbt.parse import parse_project
from floe_dbt.profiles import write_profile
from floe_dbt.project_paths import check_paths
from floe_dbt.versions import installed_tools, require_adapter
from floe_dbt.warm_dbt import WarmDbt


class WarmDbtParser:
    """Fulfils `DbtParser`."""

    def __init__(self, dbt: WarmDbt, folder: Path) -> None:
        self._dbt = dbt
        self._folder = folder

    def tools(self) -> Tools:
        return installed_tools()

    async def parse(
        self,
        folder: Path,
        *,
        place: str,
        environment: str,
        product: str,
        compiled: CompiledEnvironment,
        classifications: Sequence[str],
    ) -> ParsedProject:
        return await asyncio.to_thread(self._parse, folder, place, environment, product, compiled, classifications)

    def _parse(
        self,
        folder: Path,
        place: str,
        environment: str,
        product: str,
        compiled: CompiledEnvironment,
        classifications: Sequence[str],
    ) -> ParsedProject:
        require_adapter(compiled.compute)
        check_paths(folder)
        state = self._folder / place / environment
        database = state / f"{database_name(product)}.duckdb"
        profile = write_profile(
            state / "profiles",
            environment=environment,
            compute=compiled.compute,
            others=compiled.computes,
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
        with collecting_seldom():
            files = read_project_files(parsed.manifest, folder)
            graph = read_nodes(parsed.manifest, files=files, classifications=classifications)
            return ParsedProject(parsed.content, graph)
