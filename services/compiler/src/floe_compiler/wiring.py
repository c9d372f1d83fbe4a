"""The compiler's parts, put together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from floe_chassis.blobs import open_blobs
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.topology import COMPILATIONS_BUCKET, COMPILER, PRODUCTS_BUCKET
from floe_compiler.adapters.artifact_history import StreamArtifactHistory
from floe_compiler.adapters.compile_cache import KeyValueCompileCache, code_digest
from floe_compiler.adapters.contract_files import read_contracts
from floe_compiler.adapters.dbt_packages import DepsPackages
from floe_compiler.adapters.dbt_parser import WarmDbtParser
from floe_compiler.adapters.product_registry import ProductRegistry
from floe_compiler.adapters.sources import BundleSources
from floe_compiler.compilation import Compiler
from floe_compiler.git.ownership import Ownership
from floe_compiler.git.wiring import git_handlers
from floe_compiler.handlers import Handlers
from floe_compiler.planning import Planner
from floe_compiler.settings import CompilerSettings
from floe_contracts.events import GitPushed, SpecSubmitted
from floe_dbt.warm_dbt import WarmDbt


def wire(
    environment: Mapping[str, str], chassis: ChassisSettings, settings: CompilerSettings, work: Path, dbt: WarmDbt
) -> Service:
    """The compiler that keeps its files below `work` and parses by `dbt`."""
    service = Service("compiler", chassis)
    blobs = open_blobs(chassis.blobs_url)
    compiler = Compiler(
        sources=BundleSources(blobs, work / "sources", settings.platform_file),
        parser=WarmDbtParser(dbt, work / "parsed"),
        packages=DepsPackages(dbt, blobs),
        read_contracts=read_contracts,
        blobs=blobs,
        planner=Planner(StreamArtifactHistory(service.bus), blobs),
        cache=KeyValueCompileCache(lambda: service.bus.key_value(COMPILATIONS_BUCKET), blobs),
        code=code_digest(),
    )
    registry = ProductRegistry(lambda: service.bus.key_value(PRODUCTS_BUCKET))
    handlers = Handlers(compiler, service.bus, Ownership(registry))
    git = git_handlers(
        environment,
        bus=service.bus,
        registry=registry,
        compiler=compiler,
        blobs=blobs,
        folder=work / "git",
        platform_file=settings.platform_file,
    )
    # One consumer for both: a product's submissions and its repository's pushes stay in their order.
    service.subscribe_kinds(COMPILER, {SpecSubmitted: handlers.spec_submitted, GitPushed: git.git_pushed})
    return service
