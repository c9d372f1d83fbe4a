"""Products to begin with."""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import click

from floe_cli.output_files import write_output
from floe_contracts.errors import WrongUsage
from floe_contracts.sections import PATTERN_HINTS, PRODUCT_PATTERN
from floe_contracts.suggestions import meant_or_known

_TEMPLATES: Final = "templates"
_NAME, _PROJECT, _OWNER = "__name__", "__project__", "__owner__"


def write_template(folder: Path, *, template: str, name: str | None, owner: str) -> list[Path]:
    """Write a template's files into `folder`, which is made; tells what was written.

    Raises:
        WrongUsage: there is no such template, the name is not one of a product, or a file is there already.
    """
    root = resources.files("floe_cli") / _TEMPLATES
    known = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("__"))
    if template not in known:
        raise WrongUsage(f"there is no template {template!r}", hint=meant_or_known(template, known))
    product = name or _product_name(folder.resolve().name)
    if not re.fullmatch(PRODUCT_PATTERN, product):
        raise WrongUsage(f"{product!r} is no name of a product", hint=f"{PATTERN_HINTS[PRODUCT_PATTERN]}; give --name")
    if not owner.strip() or not owner.isprintable():
        raise WrongUsage("the owner is empty or not printable", hint="give --owner an address or a team's name")
    words = {_NAME: product, _PROJECT: product.replace("-", "_"), _OWNER: _quoted(owner)}
    files = {folder / path: _filled(source.read_text("utf-8"), words) for path, source in _files(root / template)}
    there = [file for file in files if file.exists()]
    if there:
        raise WrongUsage(
            f"{click.format_filename(there[0])} is there already", hint="name an empty folder, or move the file away"
        )
    for file, text in files.items():
        write_output(file, text)
    return list(files)


def _files(folder: Traversable, before: str = "") -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found += _files(entry, f"{before}{entry.name}/") if entry.name != "__pycache__" else []
        else:
            found.append((before + entry.name.replace("dot-", "."), entry))
    return found


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _product_name(folder: str) -> str:
    """A folder's name as a product may be called: lower case, hyphens for everything else."""
    return re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")


def _quoted(text: str) -> str:
    """A YAML scalar in single quotes, where it needs them."""
    return text if re.fullmatch(r"[A-Za-z][\w.@+/-]*", text) else "'" + text.replace("'", "''") + "'"
