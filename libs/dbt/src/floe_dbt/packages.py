"""The packages that a dbt project declares and pins, read without dbt, and what floe thinks of them.

dbt's own rules: `packages.yml` or `dependencies.yml` declares, `package-lock.yml` pins, and its `sha1_hash` tells
whether the one was made from the other; dbt would make the lock anew, floe refuses instead. What a package may come
from is narrower than in dbt: a submission is somebody else's document, and whatever it names is fetched by floe.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from floe_contracts.documents.yaml_tree import Tree, read_tree
from floe_contracts.errors import FloeError, Where
from floe_contracts.repositories import without_credentials
from floe_dbt.errors import DbtLockMissing, DbtLockStale, DbtPackageRefused, DbtPackagesInvalid

INSTALL_FOLDER: Final = "dbt_packages"
LOCK: Final = "package-lock.yml"
_DECLARING: Final = ("packages.yml", "dependencies.yml")
_PROJECT: Final = "dbt_project.yml"
_KINDS: Final = ("package", "git", "local", "tarball")
_KEYS: Final = frozenset(
    {
        *_KINDS,
        "install_prerelease",
        "name",
        "private",
        "provider",
        "revision",
        "subdirectory",
        "version",
        "warn-unpinned",
    }
)
_HASH_KEY: Final = "sha1_hash"
_JINJA: Final = ("{{", "{%", "{#")
_COMMIT: Final = frozenset("0123456789abcdef")
_VENDOR: Final = "run `dbt deps` yourself and commit the folder dbt_packages"


@dataclass(frozen=True, slots=True)
class Package:
    """One entry of a file: where the package comes from, and where the entry stands."""

    kind: str
    source: str
    entry: Mapping[str, Any]
    tree: Tree
    index: int

    @property
    def name(self) -> str | None:
        """Name of the package's dbt project; the lock knows it."""
        name = self.entry.get("name")
        return name if isinstance(name, str) else None

    def refused(self, message: str, key: str | None = None, hint: str | None = None) -> DbtPackageRefused:
        """The refusal of this entry, or of one of its keys."""
        path = ("packages", self.index) if key is None else ("packages", self.index, key)
        shown = self.source if self.kind == "local" else without_credentials(self.source)
        return DbtPackageRefused(f"{shown}: {message}", where=self.tree.where(path), hint=hint)


@dataclass(frozen=True, slots=True)
class ProjectPackages:
    """The packages of a project.

    Attributes:
        file: the file that declares them.
        declared: as they are declared, at least one.
        locked: as the lock pins them, with those that they need themselves; None without a lock.
        lock_hash: what the lock says it was made from.
        text: the text of both files, which is all that decides what is installed, but for local packages.
    """

    file: str
    declared: tuple[Package, ...]
    locked: tuple[Package, ...] | None
    lock_hash: str | None
    text: str

    def names(self) -> frozenset[str] | None:
        """The folders that an installation has; None where the lock does not tell."""
        names = [package.name for package in self.locked or ()]
        known = frozenset(name for name in names if name)
        return known if names and len(known) == len(names) else None

    def are_in(self, folders: Collection[str]) -> bool:
        """Whether the packages are there, given the names of the folders that hold a dbt project."""
        names = self.names()
        return len(folders) >= len(self.declared) if names is None else names <= set(folders)


def read_packages(project_dir: Path) -> ProjectPackages | None:
    """The packages of the project in `project_dir`; None when it declares none.

    Raises:
        DocumentInvalid: a file that is no readable YAML.
        DbtPackagesInvalid: entries that name no package; holds all problems.
    """
    files = {name: _read(project_dir / name) for name in _DECLARING}
    declaring = [name for name, found in files.items() if found is not None and found[1]]
    if not declaring:
        return None
    problems: list[FloeError] = []
    if len(declaring) > 1:
        where = files[declaring[1]][0].where(("packages",))  # type: ignore[index]
        text = f"both {' and '.join(declaring)} declare packages"
        problems.append(DbtPackageRefused(text, where=where, hint="keep them in one file"))
    tree, entries = files[declaring[0]]  # type: ignore[misc]
    declared = tuple(_packages(tree, entries, problems))
    lock = _read(project_dir / LOCK)
    locked = None if lock is None else tuple(_packages(lock[0], lock[1], problems))
    if problems:
        raise DbtPackagesInvalid(problems)
    lock_hash = None if lock is None else lock[0].value.get(_HASH_KEY)
    texts = [(project_dir / name).read_text() for name in (declaring[0], LOCK) if (project_dir / name).is_file()]
    return ProjectPackages(declaring[0], declared, locked, lock_hash, "\0".join(texts))


def check_packages(packages: ProjectPackages, project_dir: Path, root: Path) -> None:
    """See that the packages may be installed.

    Args:
        packages: the packages of the project.
        project_dir: folder of dbt_project.yml.
        root: folder of the product, out of which no local package may lead.

    Raises:
        DbtPackagesInvalid: there is no lock, it is that of other packages, or packages are refused; holds all problems.
    """
    problems: list[FloeError] = []
    make_it = "run `dbt deps --lock` in the dbt project and commit package-lock.yml"
    where = packages.declared[0].tree.where(("packages",))
    if packages.locked is None:
        text = f"{packages.file} declares packages, and there is no {LOCK}"
        problems.append(DbtLockMissing(text, where=where, hint=f"{make_it}; or {_VENDOR}"))
    elif packages.lock_hash != lock_hash([package.entry for package in packages.declared]):
        text = f"{LOCK} was made for other packages than {packages.file} declares"
        problems.append(DbtLockStale(text, where=where, hint=make_it))
    if (folder := install_folder(project_dir)) != INSTALL_FOLDER:
        text = f"packages-install-path is {folder!r}, and floe installs into {INSTALL_FOLDER} only"
        where = Where(_PROJECT, path="packages-install-path")
        problems.append(DbtPackageRefused(text, where=where, hint="leave it out, or commit the packages"))
    for package in packages.declared:
        problems += _refusals(package, project_dir, root, pinned=False)
    for package in packages.locked or ():
        problems += _refusals(package, project_dir, root, pinned=True)
    if problems:
        raise DbtPackagesInvalid(problems)


def local_folders(packages: ProjectPackages, project_dir: Path) -> tuple[Path, ...]:
    """The folders of local packages, which may change while the lock stays the same."""
    every = (*packages.declared, *(packages.locked or ()))
    return tuple(sorted({(project_dir / each.source).resolve() for each in every if each.kind == "local"}))


def install_folder(project_dir: Path) -> str:
    """The folder that dbt reads packages from; the usual one where dbt_project.yml cannot be read."""
    try:
        project = yaml.safe_load((project_dir / _PROJECT).read_text())
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return INSTALL_FOLDER  # dbt says more about it than floe could
    said = project.get("packages-install-path") if isinstance(project, dict) else None
    # A value that is no text may be an alias bomb, and is for dbt to refuse.
    return PurePosixPath(said).as_posix() if isinstance(said, str) else INSTALL_FOLDER


def lock_hash(entries: Sequence[Mapping[str, Any]]) -> str:
    """The hash by which dbt tells whether a lock was made from `entries`: dbt 1.11, `dbt.task.deps`."""
    texts = sorted(json.dumps(_as_dbt_writes_it(entry), sort_keys=True) for entry in entries)
    return hashlib.sha1("\n".join(texts).encode(), usedforsecurity=False).hexdigest()


def _as_dbt_writes_it(entry: Mapping[str, Any]) -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    if "package" in entry:
        defaults = {"install_prerelease": False}
    elif "git" in entry:
        defaults = {"revision": None, "subdirectory": None, "warn-unpinned": None}
    named = {key: value for key, value in entry.items() if key != "name" or value is not None}
    return {**defaults, **named, "unrendered": dict(entry)}


def _read(file: Path) -> tuple[Tree, list[Any]] | None:
    """The places of a file, and its entries with the types that dbt gives them."""
    if not file.is_file():
        return None
    text = file.read_text("utf-8", "surrogateescape")
    if all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()):
        return None
    tree = read_tree(text, file.name)
    document = yaml.safe_load(text)
    if document is None:
        return None
    entries = document.get("packages") if isinstance(document, dict) else document
    if (entries is not None and not isinstance(entries, list)) or not isinstance(document, dict):
        problem = DbtPackageRefused("the file is a mapping with a list `packages`", where=tree.where(("packages",)))
        raise DbtPackagesInvalid([problem])
    return tree, entries or []


def _packages(tree: Tree, entries: Sequence[Any], problems: list[FloeError]) -> Iterator[Package]:
    for index, entry in enumerate(entries):
        where = tree.where(("packages", index))
        kinds = [kind for kind in (*_KINDS, "private") if isinstance(entry, dict) and kind in entry]
        if len(kinds) != 1 or not isinstance(entry[kinds[0]], str) or not entry[kinds[0]]:
            text = f"a package says where it comes from: one of {', '.join(_KINDS)}"
            problems.append(DbtPackageRefused(text, where=where))
        elif unknown := sorted(str(key) for key in entry if key not in _KEYS):
            problems.append(DbtPackageRefused(f"{unknown[0]!r} is no key of a package", where=where))
        elif any(mark in str(value) for value in entry.values() for mark in _JINJA):
            text = "Jinja in the declaration of a package would make it another one elsewhere"
            problems.append(DbtPackageRefused(text, where=where, hint="write the value out"))
        elif not all(_is_plain(value) for value in entry.values()):
            problems.append(DbtPackageRefused("a package is described by texts, numbers and lists", where=where))
        else:
            yield Package(kinds[0], entry[kinds[0]], entry, tree, index)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str | int | float) for item in value)
    return value is None or isinstance(value, str | int | float)


def _refusals(package: Package, project_dir: Path, root: Path, *, pinned: bool) -> Iterator[DbtPackageRefused]:
    match package.kind:
        case "local":
            yield from _local_refusals(package, project_dir, root)
        case "git" | "tarball":
            yield from _remote_refusals(package)
            revision = str(package.entry.get("revision"))
            if pinned and package.kind == "git" and not (len(revision) == 40 and set(revision) <= _COMMIT):
                text = f"the revision {revision!r} is not the full hash of a commit"
                yield package.refused(text, "revision", "run `dbt deps --lock` again")
        case "private":
            yield package.refused("floe has no access to a private Git provider", "private", _VENDOR)
        case _:
            parts = package.source.split("/")
            if len(parts) != 2 or not all(part.replace("-", "").replace("_", "").isalnum() for part in parts):
                text = "a package of the hub is called namespace/name"
                yield package.refused(text, "package")


def _local_refusals(package: Package, project_dir: Path, root: Path) -> Iterator[DbtPackageRefused]:
    folder = (project_dir / package.source).resolve()
    project = project_dir.resolve()
    if PurePosixPath(package.source).is_absolute() or not folder.is_relative_to(root.resolve()):
        text = "a local package lies inside of the product's folder"
        yield package.refused(text, "local", "move it below the folder of floe.yaml")
    elif project.is_relative_to(folder) or folder.is_relative_to(project / INSTALL_FOLDER):
        yield package.refused("a package cannot hold the project that uses it", "local")
    elif not (folder / _PROJECT).is_file():
        yield package.refused(f"there is no {_PROJECT} in that folder", "local")


def _remote_refusals(package: Package) -> Iterator[DbtPackageRefused]:
    try:
        url = urlsplit(package.source)
        host, _ = url.hostname, url.port  # the port is a number, or this raises
    except ValueError:
        yield package.refused("that is no URL", package.kind)
        return
    if url.scheme != "https" or not host or not package.source.isprintable() or " " in package.source:
        yield package.refused("packages are fetched by https only", package.kind, f"use an https URL; or {_VENDOR}")
    elif url.username is not None or url.password is not None:
        yield package.refused("a URL with credentials in it", package.kind, f"take them out; {_VENDOR}")
    subdirectory = PurePosixPath(str(package.entry.get("subdirectory") or ""))
    if subdirectory.is_absolute() or ".." in subdirectory.parts:
        yield package.refused("the subdirectory leads out of the repository", "subdirectory")
