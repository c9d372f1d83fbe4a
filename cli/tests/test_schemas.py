from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from floe_cli.artifact_formats import to_config_map, to_json, to_yaml
from floe_cli.errors import FileUnusable
from floe_cli.exit_codes import ExitCode
from floe_cli.output_files import write_output
from floe_cli.schemas import published_schemas, read_schema
from floe_contracts.digests import digest_of
from floe_contracts.errors import WrongUsage
from floe_contracts.events import EVENTS
from floe_contracts.platform_spec import DEFAULT_PLATFORM

ARTIFACT = {"version": "1.1.0", "product": {"name": "shop", "description": "Käse: 1.10"}}
DIGEST = "sha256:" + "ab" * 32


def test_every_contract_has_a_schema_to_export() -> None:
    published = published_schemas()
    assert {"floe", "platform", "artifacts", "nodes", "report", *(kind.value for kind in EVENTS)} == set(published)
    for name in published:
        jsonschema.Draft202012Validator.check_schema(json.loads(read_schema(name)))


def test_the_exported_schema_accepts_what_floe_accepts() -> None:
    jsonschema.Draft202012Validator(json.loads(read_schema("platform"))).validate(yaml.safe_load(DEFAULT_PLATFORM))


def test_an_unknown_schema_is_refused_with_the_nearest() -> None:
    with pytest.raises(WrongUsage, match="no schema 'floee'") as refused:
        read_schema("floee")
    assert refused.value.hint == "did you mean 'floe'?"


@pytest.mark.parametrize("place", ["file/schema.json", "folder"])
def test_a_place_that_cannot_be_written_is_wrong_usage(floe: Callable[..., Any], tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    said = floe("schema", "export", "floe", "-o", tmp_path / place)
    assert said.code == ExitCode.WRONG_USAGE
    assert place.split("/")[0] in said.err
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_file_in_the_way_has_its_code(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileUnusable, match="cannot be written") as refused:
        write_output(tmp_path / "file" / "schema.json", "{}")
    assert refused.value.code == "FLOE-CLI-005"


def test_the_config_map_carries_the_bytes_that_have_the_digest() -> None:
    document = yaml.safe_load(to_config_map(ARTIFACT, DIGEST))
    content = document["data"]["artifact.json"]
    assert json.loads(content) == ARTIFACT
    assert digest_of(content.encode()) == digest_of(
        json.dumps(ARTIFACT, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )
    assert (document["kind"], document["immutable"]) == ("ConfigMap", True)
    assert document["metadata"]["name"] == "floe-shop-abababababab"
    assert document["metadata"]["annotations"] == {"floe.dev/artifact-digest": DIGEST}


def test_a_config_map_that_kubernetes_would_not_take_is_refused() -> None:
    with pytest.raises(ValueError, match="larger than a ConfigMap"):
        to_config_map(ARTIFACT | {"more": "x" * 1024 * 1024}, DIGEST)


def test_json_and_yaml_say_the_same() -> None:
    text = to_yaml(ARTIFACT, DIGEST)
    assert text.startswith(f"# {DIGEST}\n")
    assert yaml.safe_load(text) == json.loads(to_json(ARTIFACT, DIGEST)) == ARTIFACT
