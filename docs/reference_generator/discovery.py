"""Finding what the packages of the workspace define, without importing what defines nothing."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from pydantic_settings import BaseSettings

from floe_contracts.errors import FloeError

_ERROR = re.compile(r"^    code(: [^=]+)? = \"FLOE-", re.MULTILINE)


def packages(root: Path) -> list[Path]:
    """The source folders of all packages, libraries first."""
    folders = [*root.glob("libs/*/src/floe_*"), *root.glob("services/*/src/floe_*"), *root.glob("cli/src/floe_*")]
    order = {"libs": 0, "services": 1, "cli": 2}

    def place(folder: Path) -> tuple[int, bool, str]:
        return order[folder.relative_to(root).parts[0]], folder.name != "floe_contracts", folder.name

    return sorted(folders, key=place)


def errors(root: Path) -> list[type[FloeError]]:
    """Every error of every package, by code."""
    for module in _modules(root):
        if _ERROR.search(module.read_text(encoding="utf-8")):
            _import(module)
    return sorted({FloeError, *_subclasses(FloeError)}, key=lambda error: error.code)


def settings(root: Path) -> list[type[BaseSettings]]:
    """Every settings class of every package, the shared one first."""
    found: list[type[BaseSettings]] = []
    for module in _modules(root):
        if module.name == "settings.py":
            imported = _import(module)
            for value in vars(imported).values():
                own = isinstance(value, type) and issubclass(value, BaseSettings)
                if own and value.__module__ == imported.__name__:
                    found.append(value)
    return found


def _modules(root: Path) -> Iterator[Path]:
    for package in packages(root):
        yield from sorted(package.rglob("*.py"))


def _import(module: Path) -> ModuleType:
    parts = module.with_suffix("").parts
    start = len(parts) - 1 - parts[::-1].index("src")
    return importlib.import_module(".".join(part for part in parts[start + 1 :] if part != "__init__"))


def _subclasses(error: type[FloeError]) -> Iterator[type[FloeError]]:
    for child in error.__subclasses__():
        if child.__module__.startswith("floe_"):
            yield child
            yield from _subclasses(child)
