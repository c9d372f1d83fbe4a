from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from floe_contracts.artifacts import VERSION, ArtifactCorrupt, CompiledArtifacts, read_artifact
from floe_contracts.cloudevents import SCHEMA_ROOT
from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.errors import ContractError

GOLDEN = sorted((Path(__file__).parent / "golden" / "artifacts").glob("*/artifact.json"))
CURRENT = Path(__file__).parent / "golden" / "artifacts" / VERSION / "artifact.json"


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(CURRENT.read_text())["document"]
    return loaded


def read(changed: object) -> CompiledArtifacts:
    content = canonical_json(changed)
    return read_artifact(content, digest_of(content))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.name)
def test_an_old_golden_is_read_under_its_digest(path: Path) -> None:
    golden = json.loads(path.read_text())
    artifact = read_artifact(canonical_json(golden["document"]), golden["digest"])
    assert artifact.version == path.parent.name
    assert artifact.product.name == "orders"
    assert artifact.environments["dev"].policies["pii"].requires_role == ("data_owner",)


def test_todays_writer_writes_the_golden_bytes() -> None:
    golden = json.loads(CURRENT.read_text())
    artifact = CompiledArtifacts.model_validate(golden["document"])
    assert artifact.to_bytes() == canonical_json(golden["document"])
    assert artifact.digest() == golden["digest"]


def test_the_order_of_keys_does_not_change_the_digest() -> None:
    reversed_order = dict(reversed(document().items()))
    assert CompiledArtifacts.model_validate(reversed_order).digest() == json.loads(CURRENT.read_text())["digest"]


@pytest.mark.parametrize("position", [0, 100, -1])
def test_tampered_bytes_are_refused_before_they_are_parsed(position: int) -> None:
    content = bytearray(canonical_json(document()))
    digest = digest_of(bytes(content))
    content[position] ^= 1
    with pytest.raises(ArtifactCorrupt) as caught:
        read_artifact(bytes(content), digest)
    assert caught.value.code == "FLOE-ART-001"
    assert digest in caught.value.message
    assert digest_of(bytes(content)) in caught.value.message


def test_a_later_minor_is_read_without_its_new_fields() -> None:
    later = document() | {"version": "1.4.0", "gates": ["approval"]}
    later["environments"]["dev"]["region"] = "eu"
    artifact = read(later)
    assert artifact.version == "1.4.0"
    assert artifact.environments == CompiledArtifacts.model_validate(document()).environments


@pytest.mark.parametrize("version", ["2.0.0", "0.9.0", "", "latest", 2, None])
def test_an_unknown_major_is_refused_by_name(version: object) -> None:
    with pytest.raises(ContractError) as caught:
        read(document() | {"version": version})
    assert repr(str(version)) in caught.value.message
    assert "1.x" in caught.value.message


@pytest.mark.parametrize("content", [b"", b"not json", b"\xff\xfe", b"[" * 100_000, b"[]", b"null", b'"1.0.0"'])
def test_bytes_that_are_no_artifact_are_refused(content: bytes) -> None:
    with pytest.raises(ContractError):
        read_artifact(content, digest_of(content))


def test_a_missing_part_is_named() -> None:
    incomplete = document()
    del incomplete["environments"]["dev"]["nodes"]
    with pytest.raises(ContractError, match=r"environments\.dev\.nodes"):
        read(incomplete)


def test_an_artifact_is_frozen_and_its_writer_strict() -> None:
    artifact = CompiledArtifacts.model_validate(document())
    with pytest.raises(ValidationError, match="frozen"):
        artifact.version = "2.0.0"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        CompiledArtifacts.model_validate(document() | {"generated_at": "now"})


def test_the_schema_is_published_under_the_address_of_its_minor() -> None:
    minor = VERSION.rsplit(".", 1)[0]
    path = Path(__file__).parents[1] / "src/floe_contracts/schemas/compiled-artifacts" / f"{minor}.json"
    assert json.loads(path.read_text())["$id"] == f"{SCHEMA_ROOT}/compiled-artifacts/{minor}.json"
