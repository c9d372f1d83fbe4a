"""`floe validate`, and what all commands know of a product's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from floe_cli.environments import choose_environment
from floe_cli.exit_codes import ExitCode
from floe_cli.products import read_product
from floe_contracts.errors import DocumentInvalid, WrongUsage

Floe = Callable[..., Any]
MakeProduct = Callable[..., Path]


def test_a_valid_product_is_told_so(floe: Floe, product: MakeProduct, platform_yaml: str) -> None:
    said = floe("validate", product())
    assert said.code == 0
    assert said.out.splitlines() == [
        "floe.yaml is valid: product shop 1.0.0",
        "the embedded platform (there is no platform.yaml) is valid: environments dev",
    ]
    said = floe("validate", product({"platform.yaml": platform_yaml}))
    assert said.out.splitlines()[1] == "platform.yaml is valid: environments prod, staging"


def test_every_problem_of_both_documents_is_shown_with_place_and_hint(
    floe: Floe, product: MakeProduct, platform_yaml: str
) -> None:
    folder = product({"platform.yaml": platform_yaml.replace("type: duckdb}", "type: duckbd}")})
    spec = (folder / "floe.yaml").read_text()
    (folder / "floe.yaml").write_text(spec.replace("version: 1.0.0", "version: one") + "landign: {}\n")
    said = floe("validate", folder)
    assert said.code == ExitCode.INVALID_DOCUMENT == 1
    assert said.out == ""
    lines = said.err.splitlines()
    assert f"error FLOE-SPEC-003 {folder}/floe.yaml:3:24 (metadata.version)" in lines
    assert f"error FLOE-SPEC-003 {folder}/floe.yaml:5:1 (landign)" in lines
    assert "  hint: did you mean 'landing'?" in lines
    assert f"error FLOE-SPEC-003 {folder}/platform.yaml:7:20 (compute.duckdb.type)" in lines
    assert "  hint: did you mean 'duckdb'?" in lines


@pytest.mark.parametrize("file", ["floe.yaml", "platform.yaml"])
def test_a_file_that_is_not_utf_8_is_invalid(floe: Floe, product: MakeProduct, file: str) -> None:
    said = floe("validate", product({file: b"owner: caf\xe9\n"}))
    assert said.code == ExitCode.INVALID_DOCUMENT
    assert f"{file}\n  the file is not UTF-8" in said.err


@pytest.mark.parametrize("command", ["validate", "run", "compile", "publish"])
def test_a_folder_without_a_product_is_wrong_usage(floe: Floe, product: MakeProduct, command: str) -> None:
    said = floe(command, product({"floe.yaml": None}))
    assert said.code == ExitCode.WRONG_USAGE
    assert "there is no floe.yaml in" in said.err
    assert "hint: name the folder of a product, or `floe init` a new one" in said.err


def test_what_is_no_folder_of_a_product_is_told_as_what_it_is(floe: Floe, product: MakeProduct) -> None:
    folder = product()
    said = floe("validate", folder / "floe.yaml")
    assert (said.code, f"hint: name the folder of the product: {folder}" in said.err) == (ExitCode.WRONG_USAGE, True)
    said = floe("validate", folder / "nowhere")
    assert (said.code, f"there is no folder {folder}/nowhere" in said.err) == (ExitCode.WRONG_USAGE, True)
    (folder / "floe.yaml").rename(folder / "floe.yml")
    assert "hint: rename floe.yml to floe.yaml" in floe("validate", folder).err


@pytest.mark.parametrize(
    "options",
    [
        ("--validate-only", "--report", "r.sarif"),
        ("--validate-only", "--format", "json"),
        ("--validate-only", "--dry-run"),
        ("--dry-run", "--format", "yaml"),
        ("--dry-run", "--report", "r.json"),
    ],
)
def test_options_that_would_do_nothing_are_refused(floe: Floe, product: MakeProduct, options: tuple[str, ...]) -> None:
    said = floe("compile", product(), *options)
    assert (said.code, said.out) == (ExitCode.WRONG_USAGE, "")
    assert options[0] in said.err


def test_an_empty_platform_is_not_taken_for_none(floe: Floe, product: MakeProduct) -> None:
    said = floe("validate", product({"platform.yaml": ""}))
    assert (said.code, said.out) == (ExitCode.INVALID_DOCUMENT, "")
    assert "platform.yaml:1:1\n  the document is empty" in said.err


def test_a_product_is_read_once_and_keeps_the_platforms_text(product: MakeProduct, platform_yaml: str) -> None:
    folder = product({"platform.yaml": platform_yaml})
    read = read_product(folder)
    assert (read.name, read.folder, read.platform_yaml) == ("shop", folder.resolve(), platform_yaml)
    assert read_product(product(name="other")).platform_yaml is None


def test_problems_of_the_platform_alone_are_enough(product: MakeProduct) -> None:
    with pytest.raises(DocumentInvalid) as refused:
        read_product(product({"platform.yaml": "kind: Wrong\n"}))
    assert [problem.code for problem in refused.value.problems] == ["FLOE-SPEC-004"]


ENTERPRISE = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {name: acme, version: 1.0.0, owner: platform@example.com}
scope: enterprise
compute: {duckdb: {type: duckdb, threads: 3}}
storage: {local: {type: local}}
catalogs: {local: {type: sql}}
"""
SALES = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {name: sales, version: 1.0.0, owner: sales@example.com}
scope: domain
parent: {file: enterprise.yaml}
environments: {dev: {profiles: {default: {compute: duckdb, storage: local, catalog: local}}}}
"""


def test_a_platform_is_read_with_the_documents_above_it(product: MakeProduct, tmp_path: Path) -> None:
    (tmp_path / "enterprise.yaml").write_text(ENTERPRISE)
    (tmp_path / "sales.yaml").write_text(SALES)
    folder = product()
    spec = (folder / "floe.yaml").read_text()
    (folder / "floe.yaml").write_text(spec + "platform: {file: ../sales.yaml}\n")
    read = read_product(folder)
    assert (read.platform.compute["duckdb"].threads, read.platform.metadata.name) == (3, "sales")
    assert read.platform_yaml == SALES
    assert [(document.name, document.text) for document in read.resolved.documents] == [
        ("sales.yaml", SALES),
        ("enterprise.yaml", ENTERPRISE),
    ]


def test_a_document_that_is_named_has_to_be_there(floe: Floe, product: MakeProduct, tmp_path: Path) -> None:
    folder = product()
    spec = (folder / "floe.yaml").read_text()
    (folder / "floe.yaml").write_text(spec + "platform: {file: ../sales.yaml}\n")
    said = floe("validate", folder)
    assert said.code == ExitCode.INVALID_DOCUMENT
    assert f"error FLOE-PLAT-007 {folder}/floe.yaml:5:12 (platform.file)" in said.err
    (tmp_path / "sales.yaml").write_text(SALES)
    said = floe("validate", folder)
    assert f"error FLOE-PLAT-001 {tmp_path}/sales.yaml:5:10 (parent.file)" in said.err


def test_the_environment_that_is_meant(product: MakeProduct, platform_yaml: str) -> None:
    embedded = read_product(product())
    assert choose_environment(embedded, None) == "dev"
    only = platform_yaml.replace(
        "  staging: {profiles: {default: {compute: duckdb, storage: local, catalog: local}}}\n", ""
    )
    assert choose_environment(read_product(product({"platform.yaml": only}, "only")), None) == "prod"
    several = read_product(product({"platform.yaml": platform_yaml}, "several"))
    assert choose_environment(several, "staging") == "staging"
    with pytest.raises(WrongUsage, match="no environment dev") as unclear:
        choose_environment(several, None)
    assert unclear.value.hint == "name one with -e: prod, staging"
    with pytest.raises(WrongUsage) as close:
        choose_environment(several, "stagin")
    assert close.value.hint == "did you mean 'staging'?"
    with pytest.raises(WrongUsage) as unknown:
        choose_environment(several, "x")
    assert unknown.value.hint == "platform.yaml has: prod, staging"
