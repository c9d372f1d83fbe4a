"""The program that parses for floe: `dbt parse` that writes the normalised manifest, and little else.

`dbt parse` spends a quarter of its time on a project that it knows already on writing a manifest of which floe throws
most away. Here the manifest goes from dbt's memory into floe's form and a file in one step, without dbt's own macros.
Importing this module imports dbt: only the fork server does, and a process of its own where there is none.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dbt.parser.manifest as dbt_parser
from dbt.cli.main import cli
from dbt.contracts.graph.manifest import Manifest
from dbt_common.utils.encoding import JSONEncoder

from floe_contracts.digests import canonical_json
from floe_dbt.garbage import collect_seldom
from floe_dbt.manifest import NORMALISED, normalise_manifest, packages_of_dbt


def parse(arguments: Sequence[str]) -> None:
    """Run `dbt parse` in this process, which should end afterwards; like dbt's own entry, it ends by SystemExit.

    Args:
        arguments: dbt's, from the global options on.
    """
    collect_seldom()
    dbt_parser.write_manifest = _write_normalised  # two private names; the tests compare with dbt's own manifest
    Manifest.build_flat_graph = _build_nothing  # `graph` of the Jinja context: read when a project is built
    cli(args=list(arguments), prog_name="dbt")


def normalised(manifest: Manifest) -> dict[str, Any]:
    """The manifest in dbt's memory, normalised as its manifest.json would be."""
    own = packages_of_dbt(str(manifest.metadata.adapter_type))
    macros = manifest.macros
    manifest.macros = {unique_id: macro for unique_id, macro in macros.items() if macro.package_name not in own}
    try:
        document = manifest.writable_manifest().to_dict(omit_none=False, context={"artifact": True})
    finally:
        manifest.macros = macros
    return normalise_manifest(document, JSONEncoder)


def _write_normalised(manifest: Manifest, target_path: str, which: str | None = None) -> None:
    del which
    Path(target_path, NORMALISED).write_bytes(canonical_json(normalised(manifest)))


def _build_nothing(manifest: Manifest) -> None:
    del manifest


if __name__ == "__main__":
    parse(sys.argv[1:])
