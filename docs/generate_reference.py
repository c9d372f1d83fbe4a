#!/usr/bin/env python3
"""Write the JSON Schemas and the reference pages from the code; `--check` compares instead and fails on a difference.

The schema of a version that was published is the truth: it is never written over. A change of its meaning needs a new
version. (Descriptions may be improved.) A version that never left this repository is withdrawn by deleting its file.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from reference_generator.pages import reference_pages
from reference_generator.published import breaks_publication, is_versioned
from reference_generator.schemas import contract_schemas

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = Path("libs/contracts/src/floe_contracts/schemas")
REFERENCE = Path("docs/reference")
WRITTEN = frozenset({REFERENCE / "dialects.md"})
"""Pages of the reference that people write."""
SHOWN_LINES = 12


def main(arguments: Sequence[str], target: Path = ROOT) -> int:
    """Write below `target`, or compare with what is there.

    Returns:
        The exit code: 0 all is well, 1 something differs or would break a published schema, 64 wrong usage.
    """
    if list(arguments) not in ([], ["--check"]):
        print("usage: generate_reference.py [--check]", file=sys.stderr)
        return 64
    files = {SCHEMAS / name: content for name, content in contract_schemas().items()}
    files |= {REFERENCE / name: content for name, content in reference_pages(ROOT).items()}
    broken = sorted(name for name, content in files.items() if breaks_publication(target / name, content))
    for name in broken:
        print(_difference(target, name, files.pop(name)))
        print("  This version is published. Bump the version in floe_contracts; its schema and its goldens stay.")
    stale = sorted(_existing(target) - files.keys() - set(broken))
    if arguments:
        return 1 if _tell(target, files, stale) or broken else 0
    for name in stale:
        (target / name).unlink()
    for name, content in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(content, encoding="utf-8")
    return 1 if broken else 0


def _tell(target: Path, files: dict[Path, str], stale: list[Path]) -> bool:
    """Print how the files differ; whether they do."""
    differences = [text for name in sorted(files) if (text := _difference(target, name, files[name]))]
    differences += [f"{name}: nothing generates it" for name in stale]
    if differences:
        print("\n".join(differences))
        print("Run `make generate`, and commit what it writes.")
    return bool(differences)


def _existing(target: Path) -> set[Path]:
    """Every file in the generated folders, but for pages that people write and schemas of older versions: they stay."""
    files = (path for folder in (SCHEMAS, REFERENCE) for path in (target / folder).rglob("*") if path.is_file())
    return {path.relative_to(target) for path in files if not is_versioned(path)} - WRITTEN


def _difference(target: Path, name: Path, content: str) -> str | None:
    path = target / name
    if not path.exists():
        return f"{name}: missing"
    found = path.read_text(encoding="utf-8")
    if found == content:
        return None
    compared = difflib.unified_diff(found.splitlines(), content.splitlines(), lineterm="", n=0)
    changes = [line for line in compared if not line.startswith(("---", "+++", "@@"))]
    shown = "".join(f"\n    {line}" for line in changes[:SHOWN_LINES])
    more = f"\n    ... {len(changes) - SHOWN_LINES} more" if len(changes) > SHOWN_LINES else ""
    return f"{name}: {len(changes)} lines differ{shown}{more}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
