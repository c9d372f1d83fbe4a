"""Manifests that say the same wherever and whenever they were made."""

from __future__ import annotations

import json

import pytest

from floe_contracts.digests import canonical_json
from floe_dbt.errors import DbtManifestInvalid
from floe_dbt.manifest import SCHEMA_VERSION, load_manifest, normalise_manifest

EDITABLE = {
    "seeds/raw_orders.csv": "id,customer\n1,ann\n",
    "models/a_first.sql": "select id, customer from {{ ref('raw_orders') }}",
    "models/orders.sql": "select *, {{ one() }} as one from {{ ref('a_first') }} join {{ ref('z_last') }} using (id)",
    "models/z_last.sql": "select id from {{ ref('raw_orders') }}",
    "models/off.sql": "{{ config(enabled=false) }} select 1 as id",
    "macros/one.sql": "{% macro one() %}1{% endmacro %}",
    "tests/few.sql": "select * from {{ ref('orders') }} where id > 10",
    "models/schema.yml": """
models:
  - name: orders
    config: {meta: {floe: {owner: sales}, revision: 9007199254740993, share: 0.1, whole: 2.0, none: .nan}}
    columns:
      - {name: id, data_tests: [not_null, unique, relationships: {arguments: {to: ref('a_first'), field: id}}]}
exposures:
  - {name: board, type: dashboard, owner: {name: sales}, depends_on: [ref('orders')]}
""",
}


@pytest.mark.dbt
def test_same_bytes_from_other_folders_and_after_partial_parses(parse, make_project):
    first, second = make_project(EDITABLE), make_project(EDITABLE, name="another/place")
    whole = canonical_json(parse(first).manifest)
    edited = {
        "models/a_first.sql": "select id, customer from {{ ref('raw_orders') }} where id > 0",
        "models/schema.yml": EDITABLE["models/schema.yml"].replace("not_null, ", ""),
    }
    first.write(edited)
    changed = canonical_json(parse(first).manifest)
    assert changed != whole
    second.write(edited)
    assert canonical_json(parse(second).manifest) == changed
    for project in (first, second):
        project.write(EDITABLE)
        again = parse(project)
        assert again.content == canonical_json(again.manifest) == whole
    assert str(first.folder).encode() not in whole


@pytest.mark.dbt
def test_what_is_kept_and_what_is_not(parse, make_project):
    manifest = parse(make_project(EDITABLE)).manifest
    assert manifest["metadata"]["project_name"] == "shop"
    assert "invocation_id" not in manifest["metadata"]
    assert list(manifest["macros"]) == ["macro.shop.one"]
    assert manifest["nodes"]["model.shop.orders"]["raw_code"].startswith("select *")
    assert manifest["nodes"]["seed.shop.raw_orders"]["root_path"] == "."
    assert list(manifest["disabled"]) == ["model.shop.off"]
    meta = manifest["nodes"]["model.shop.orders"]["config"]["meta"]
    assert (meta["revision"], meta["share"], meta["whole"], meta["none"]) == ("9007199254740993", 0.1, 2.0, "nan")
    assert json.loads(canonical_json(manifest)) == manifest


def test_order_of_the_input_does_not_matter():
    def manifest(*, backwards: bool) -> dict[str, object]:
        ids = ["model.shop.a", "model.shop.b"][:: -1 if backwards else 1]
        node = {"created_at": int(backwards), "depends_on": {"nodes": ids, "macros": [None]}, "unique_id": "x"}
        disabled = [{"original_file_path": f"models/{one}.sql", "unique_id": one} for one in ids]
        return {
            "metadata": {"adapter_type": "duckdb", "dbt_schema_version": SCHEMA_VERSION, "invocation_id": ids[0]},
            "nodes": dict.fromkeys(ids, node),
            "disabled": {"model.shop.off": disabled},
            "parent_map": dict.fromkeys(ids, ids),
        }

    forwards = normalise_manifest(manifest(backwards=False))
    assert canonical_json(forwards) == canonical_json(normalise_manifest(manifest(backwards=True)))
    assert list(forwards["nodes"]) == ["model.shop.a", "model.shop.b"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file"),
        ("{", "no dbt manifest"),
        ("[]", "no dbt manifest"),
        ('{"metadata": {"dbt_schema_version": "v99"}}', "the manifest's schema is v99"),
    ],
)
def test_unreadable_manifest(tmp_path, text, reason):
    path = tmp_path / "manifest.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DbtManifestInvalid, match=reason) as refused:
        load_manifest(path)
    assert str(tmp_path) not in str(refused.value)
