"""`floe migrate`: documents of the older forms, written in the canonical one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

from floe_cli.exit_codes import ExitCode
from floe_cli.products import read_product
from floe_contracts.documents.reading import read_floe_spec, read_platform_spec

Floe = Callable[..., Any]
MakeProduct = Callable[..., Path]

FLAT_FLOE: Final = """\
# who reads this?
name: Shop
version: "1.10"
transforms: [{type: dbt, path: ./dbt, target: prod}]
observability: {attributes: {release: 1.10, country: NO, "12:30:45": "null"}}
"""
FLAT_PLATFORM: Final = """\
version: 1.0.0
storage: {default: {bucket: lake, credentials: {secret_ref: minio}}}
catalogs: {default: {uri: "http://polaris:8181/api/catalog", warehouse: demo}}
compute: {default: {type: duckdb, properties: {threads: 4}}}
"""
NAMED_FLOE: Final = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: shop, version: 1.0.0, owner: shop@example.com}
platform: {manifest: ./manifest.yaml}
transforms: [{name: orders, tier: gold}]
"""
MANIFEST: Final = """\
apiVersion: floe.dev/v1
kind: Manifest
metadata: {name: acme, version: 1.0.0, owner: platform@example.com}
plugins: {compute: {type: duckdb, config: {threads: 3}}}
"""
DBT_BESIDE: Final = {
    "dbt/dbt_project.yml": None,
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: floe\n",
}


def test_the_canonical_form_is_printed_and_the_notes_stand_on_standard_error(floe: Floe, product: MakeProduct) -> None:
    folder = product({"floe.yaml": FLAT_FLOE, "platform.yaml": FLAT_PLATFORM})
    said = floe("migrate", folder)
    assert said.code == ExitCode.OK
    spec, platform = (document for document in said.out.split("---\n") if document.startswith("apiVersion"))
    platform = platform.partition("# ")[0]
    assert read_floe_spec(spec.partition("# ")[0]) == read_floe_spec(FLAT_FLOE)
    assert read_platform_spec(platform) == read_platform_spec(FLAT_PLATFORM)
    assert f"note {folder}/floe.yaml:4:39 (transforms.0.target): no home in floe: " in said.err
    assert "(flat-environments)" in said.err
    assert "comments are not taken over" in said.err
    assert (folder / "floe.yaml").read_text() == FLAT_FLOE


def test_written_documents_load_to_the_same_and_the_old_ones_are_kept(floe: Floe, product: MakeProduct) -> None:
    folder = product({"floe.yaml": FLAT_FLOE, "platform.yaml": FLAT_PLATFORM})
    before = read_product(folder)
    assert before.notes
    said = floe("migrate", folder, "--write")
    assert said.code == ExitCode.OK
    assert said.out.splitlines()[0] == f"wrote {folder}/floe.yaml; as it was, it is {folder}/floe.yaml.bak"
    after = read_product(folder)
    assert (after.spec, after.platform) == (before.spec, before.platform)
    assert after.spec.observability.attributes == {"release": "1.10", "country": "NO", "12:30:45": "null"}
    assert after.notes == ()
    assert (folder / "floe.yaml.bak").read_text() == FLAT_FLOE
    assert (folder / "platform.yaml.bak").read_text() == FLAT_PLATFORM
    again = floe("migrate", folder, "--write")
    assert (again.code, again.out) == (ExitCode.OK, "")
    assert f"{folder}/floe.yaml is canonical already" in again.err


def test_a_manifest_becomes_platform_yaml_and_floe_yaml_names_it_so(floe: Floe, product: MakeProduct) -> None:
    folder = product({"floe.yaml": NAMED_FLOE, "manifest.yaml": MANIFEST, **DBT_BESIDE})
    before = read_product(folder)
    assert before.platform.compute["default"].threads == 3
    assert floe("migrate", folder, "--write").code == ExitCode.OK
    assert {path.name for path in folder.glob("*.*")} == {
        "dbt_project.yml",
        "floe.yaml",
        "floe.yaml.bak",
        "manifest.yaml.bak",
        "platform.yaml",
    }
    after = read_product(folder)
    assert after.platform == before.platform
    assert after.spec.platform.file == "platform.yaml"
    assert after.spec.transforms == before.spec.transforms


def test_a_manifest_is_found_where_there_is_no_platform_yaml(
    floe: Floe, product: MakeProduct, platform_yaml: str
) -> None:
    spec = NAMED_FLOE.replace("platform: {manifest: ./manifest.yaml}\n", "")
    folder = product({"floe.yaml": spec, "manifest.yaml": MANIFEST, **DBT_BESIDE})
    said = floe("validate", folder)
    assert said.out.splitlines()[1] == "manifest.yaml is valid: environments dev"
    assert "(manifest-environments)" in said.err
    (folder / "platform.yaml").write_text(platform_yaml)
    assert floe("validate", folder).out.splitlines()[1] == "platform.yaml is valid: environments prod, staging"


def test_problems_of_both_documents_speak_of_them_as_they_were_written(floe: Floe, product: MakeProduct) -> None:
    broken = FLAT_PLATFORM.replace("threads: 4", "threads: 400")
    folder = product({"floe.yaml": FLAT_FLOE.replace("./dbt", "../dbt"), "platform.yaml": broken})
    for command in ("migrate", "validate"):
        said = floe(command, folder)
        assert said.code == ExitCode.INVALID_DOCUMENT
        assert f"{folder}/floe.yaml:4:26 (transforms.0.path)" in said.err
        assert f"{folder}/platform.yaml:4:48 (compute.default.properties.threads)" in said.err


def test_nothing_is_overwritten(floe: Floe, product: MakeProduct) -> None:
    folder = product({"floe.yaml": FLAT_FLOE, "platform.yaml": FLAT_PLATFORM, "platform.yaml.bak": "mine"})
    said = floe("migrate", folder, "--write")
    assert said.code == ExitCode.WRONG_USAGE
    assert f"{folder}/platform.yaml.bak is in the way" in said.err
    assert (folder / "floe.yaml").read_text() == FLAT_FLOE
    assert (folder / "platform.yaml.bak").read_text() == "mine"


def test_a_platform_alone_is_migrated_and_a_child_keeps_its_parent(floe: Floe, tmp_path: Path) -> None:
    child = MANIFEST.replace("plugins:", "scope: domain\nparent_manifest: ../enterprise/manifest.yaml\nplugins:")
    (tmp_path / "manifest.yaml").write_text(child)
    said = floe("migrate", tmp_path)
    document = yaml.safe_load(said.out)
    assert document["parent"] == {"file": "../enterprise/manifest.yaml"}
    assert "environments" not in document


def test_a_folder_without_documents_is_wrong_usage(floe: Floe, tmp_path: Path) -> None:
    said = floe("migrate", tmp_path)
    assert said.code == ExitCode.WRONG_USAGE
    assert "neither floe.yaml nor platform.yaml nor manifest.yaml" in said.err
