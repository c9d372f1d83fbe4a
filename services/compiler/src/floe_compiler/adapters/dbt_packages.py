"""The dbt packages of a submission that brings none along: installed beside its files, and kept as a bundle of blobs.

The bundle is what the executor gets, so that only the compiler ever needs to reach a package hub.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path, PurePosixPath
from typing import Any, Final

from floe_chassis.blobs import BlobStore
from floe_chassis.source_bundles import bundle_digest, pack, unpacked_paths
from floe_contracts.digests import canonical_json, digest_of
from floe_dbt.deps import install_packages, installed_in
from floe_dbt.packages import (
    INSTALL_FOLDER,
    ProjectPackages,
    check_packages,
    install_folder,
    local_folders,
    read_packages,
)
from floe_dbt.versions import installed_tools
from floe_dbt.warm_dbt import WarmDbt

_INSTALLED: Final = Path(".floe", "packages.json")
"""What was installed in a checked-out folder, so that it is not installed again; no bundle brings such a file."""


class DepsPackages:
    """Fulfils `Packages` by `dbt deps`."""

    def __init__(self, dbt: WarmDbt, blobs: BlobStore) -> None:
        self._dbt = dbt
        self._blobs = blobs

    async def provide(self, folder: Path, project: str) -> str | None:
        project_dir = folder / project
        packages = await asyncio.to_thread(read_packages, project_dir)
        if packages is None or packages.are_in(_brought(folder, project)):
            await asyncio.to_thread(_forget, folder, project_dir)
            return None
        await asyncio.to_thread(check_packages, packages, project_dir, folder)
        key = await self._key(packages, project_dir)
        known = _installed(folder, project_dir, packages, key)
        if known is not None and await self._blobs.has(known):
            return known
        await asyncio.to_thread(_forget, folder, project_dir)
        await asyncio.to_thread(install_packages, self._dbt, project_dir, packages, root=folder, source=os.environ)
        below = (PurePosixPath(project) / INSTALL_FOLDER).as_posix()
        digest = await pack(folder, self._blobs, below=below)
        (folder / _INSTALLED).write_bytes(canonical_json({"key": key, "bundle": digest}))
        return digest

    async def _key(self, packages: ProjectPackages, project_dir: Path) -> str:
        """What decides how the packages look: the declaration and the lock, dbt, and the files of local packages."""
        local = [await bundle_digest(place) for place in local_folders(packages, project_dir)]
        return digest_of(canonical_json([packages.text, installed_tools().dbt_core, *local]))


def _brought(folder: Path, project: str) -> frozenset[str]:
    """The packages that came with the submission itself."""
    install = PurePosixPath(project) / install_folder(folder / project)
    paths = (PurePosixPath(path) for path in unpacked_paths(folder))
    return frozenset(
        path.parent.name for path in paths if path.name == "dbt_project.yml" and path.parent.parent == install
    )


def _installed(folder: Path, project_dir: Path, packages: ProjectPackages, key: str) -> str | None:
    """The digest of the bundle that was made of just these packages, while they are still there."""
    try:
        installed: Any = json.loads((folder / _INSTALLED).read_bytes())
    except (OSError, ValueError):
        return None
    there = packages.are_in(installed_in(project_dir / INSTALL_FOLDER))
    return str(installed["bundle"]) if there and installed["key"] == key else None


def _forget(folder: Path, project_dir: Path) -> None:
    """Remove what was installed for an earlier submission, but nothing that this one brought."""
    if not (folder / _INSTALLED).exists():
        return
    brought = {folder / path for path in unpacked_paths(folder)}
    install = project_dir / INSTALL_FOLDER
    for package in install.iterdir() if install.is_dir() else ():
        if not any(path.is_relative_to(package) for path in brought):
            shutil.rmtree(package)
    (folder / _INSTALLED).unlink()
