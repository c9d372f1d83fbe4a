"""Wiring of what compiles from Git."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from floe_chassis.blobs import BlobStore
from floe_chassis.bus import Bus
from floe_chassis.settings import load_settings
from floe_compiler.adapters.git_program import GitProgram
from floe_compiler.adapters.git_repositories import GitRepositories
from floe_compiler.core.git.ports import Registry
from floe_compiler.git.handlers import GitHandlers
from floe_compiler.git.repository_compilation import CompilesSubmissions, RepositoryCompiler
from floe_compiler.settings import GitSettings


def git_handlers(
    environment: Mapping[str, str],
    *,
    bus: Bus,
    registry: Registry,
    compiler: CompilesSubmissions,
    blobs: BlobStore,
    folder: Path,
    platform_file: Path | None,
) -> GitHandlers:
    """The subscriber of pushes; everything of Git on disk is below `folder`, and may be deleted.

    Raises:
        SettingInvalid: a variable FLOE_COMPILER_GIT_* cannot be used.
    """
    settings = load_settings(GitSettings, environment)
    repositories = GitRepositories(GitProgram(settings, environment, folder), folder / "caches", settings)
    repository_compiler = RepositoryCompiler(
        repositories=repositories,
        registry=registry,
        compiler=compiler,
        blobs=blobs,
        folder=folder / "product",
        platform_file=platform_file,
        most_products=settings.max_products,
    )
    return GitHandlers(repository_compiler, bus, settings)
