"""The backends of the how-to are read as the lineage service reads them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from floe_lineage.forwarding.configured import configured_backends
from floe_lineage.settings import LineageSettings

PAGE = Path(__file__).parents[3] / "docs/how-to/send-lineage-to-a-backend.md"
BLOCKS = re.findall(r"```yaml\n(observability:.*?)```", PAGE.read_text(), re.DOTALL)
HEAD = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {name: p, version: 1.0.0, owner: me}
environments: {dev: {profiles: {default: {compute: duckdb, storage: local, catalog: local}}}}
compute: {duckdb: {type: duckdb}}
storage: {local: {type: local}}
catalogs: {local: {type: sql}}
"""


@pytest.mark.parametrize("block", BLOCKS, ids=[block.split()[2].strip(":") for block in BLOCKS])
def test_a_documented_backend_is_one(block: str, tmp_path: Path) -> None:
    file = tmp_path / "platform.yaml"
    file.write_text(HEAD + block)
    settings = LineageSettings(backends=(), platform_file=file)
    backends = configured_backends(settings, lambda _: "key")
    assert list(backends) == [block.split()[2].strip(":")]


def test_all_of_them_were_found() -> None:
    assert {block.split()[2] for block in BLOCKS} == {
        "catalog:",
        "archive:",
        "feast:",
        "marquez:",
        "datahub:",
        "openmetadata:",
    }
