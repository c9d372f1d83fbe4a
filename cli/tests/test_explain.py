"""`floe explain`: what holds for a field, and which document it came from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from floe_cli.exit_codes import ExitCode

Floe = Callable[..., Any]
HEAD = "apiVersion: floe.dev/v1\nkind: PlatformSpec\n"
ENTERPRISE = (
    HEAD
    + """\
metadata: {name: acme, version: 1.0.0, owner: platform@acme.example}
scope: enterprise
inheritance: {forbid: [bus]}
compute:
  small: {type: duckdb, threads: 1}
storage: {local: {type: local}}
catalogs: {local: {type: sql}}
bus: {servers: ["nats://bus:4222"]}
governance: {coverage: {minimumPercent: 70, level: strict}}
"""
)
DOMAIN = (
    HEAD
    + """\
metadata: {name: sales, version: 1.0.0, owner: sales@acme.example}
scope: domain
parent: {file: enterprise.yaml}
compute:
  small: {threads: 2}
governance: {coverage: {minimumPercent: 60, level: warn}}
environments:
  dev: {profiles: {default: {compute: small, storage: local, catalog: local}}}
  prod:
    profiles: {default: {compute: small, storage: local, catalog: local}}
    policies: {pii: {action: mask}}
"""
)
PRODUCT = (
    HEAD
    + """\
metadata: {name: shop, version: 1.0.0, owner: shop@acme.example}
scope: product
parent: {file: ../sales.yaml}
compute:
  small: {threads: 4}
"""
)


@pytest.fixture
def shop(product: Callable[..., Path], tmp_path: Path) -> Path:
    """A product below two documents."""
    (tmp_path / "enterprise.yaml").write_text(ENTERPRISE)
    (tmp_path / "sales.yaml").write_text(DOMAIN)
    folder = product({"platform.yaml": PRODUCT})
    with (folder / "floe.yaml").open("a") as file:
        file.write("governance: {rules: {coverage: {minimumPercent: 50}}}\n")
    return folder


def test_the_chain_of_documents_is_told(floe: Floe, shop: Path, tmp_path: Path) -> None:
    said = floe("explain", "compute.small.threads", shop)
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[5].startswith("  means      Threads of DuckDB")
    assert lines[:5] + lines[6:] == [
        "compute.small.threads  (platform.yaml)",
        "  value      4",
        f"  from       {shop}/platform.yaml:7:11, scope product",
        f"  overrode   2 of {tmp_path}/sales.yaml:7:11, scope domain",
        f"  overrode   1 of {tmp_path}/enterprise.yaml:7:25, scope enterprise",
        "  type       whole number",
        "  default    2",
    ]


def test_the_stricter_rule_and_a_forbidden_field_are_told(floe: Floe, shop: Path, tmp_path: Path) -> None:
    lines = floe("explain", "governance.coverage.minimumPercent", shop).out.splitlines()
    assert lines[1:4] == [
        "  value      70",
        f"  from       {tmp_path}/enterprise.yaml:11:25, scope enterprise",
        f"  overrode   60 of {tmp_path}/sales.yaml:8:25, scope domain",
    ]
    lines = floe("explain", "bus.servers", shop).out.splitlines()
    assert f"  forbidden  to documents below by {tmp_path}/enterprise.yaml:5:24" in lines
    lines = floe("explain", "governance.rules.coverage.minimumPercent", shop).out.splitlines()
    assert lines[1:4] == [
        "  value      70",
        f"  from       {tmp_path}/enterprise.yaml:11:25: the stricter rule wins",
        f"  overrode   50 of {shop}/floe.yaml:5:33",
    ]


def test_what_is_not_set_has_its_default(floe: Floe, shop: Path) -> None:
    lines = floe("explain", "schedule.timezone", shop).out.splitlines()
    assert lines[:3] == ["schedule.timezone  (floe.yaml)", "  value      null", "  from       nowhere: it is not set"]
    assert "  default    UTC" in lines
    lines = floe("explain", "observability.logLevel", shop).out.splitlines()
    assert lines[1:3] == ["  value      info", "  from       the default"]
    assert "  type       one of debug, info, warning, error" in lines


def test_a_logical_name_leads_to_the_platform(floe: Floe, shop: Path, tmp_path: Path) -> None:
    said = floe("explain", "compute", shop, "--environment", "prod")
    first, second = said.out.split("\n\n")
    assert "compute  (floe.yaml)" in first
    assert f"  in         prod: environments.prod.profiles.default.compute = small of {tmp_path}/sales.yaml" in first
    assert "dev:" not in first
    assert second.startswith("compute  (platform.yaml)")


def test_a_field_of_an_environment_may_be_named_alone(floe: Floe, shop: Path) -> None:
    said = floe("explain", "policies.pii.action", shop, "-e", "prod")
    assert said.out.splitlines()[:2] == ["environments.prod.policies.pii.action  (platform.yaml)", "  value      mask"]


def test_it_is_told_as_json_too(floe: Floe, shop: Path, tmp_path: Path) -> None:
    (one,) = json.loads(floe("explain", "compute.small.threads", shop, "--json").out)
    assert (one["field"], one["value"], one["document"]) == ("compute.small.threads", 4, "PlatformSpec")
    assert one["origin"] == {
        "value": "4",
        "scope": "product",
        "file": f"{shop}/platform.yaml",
        "line": 7,
        "column": 11,
    }
    assert [said["file"] for said in one["overrode"]] == [f"{tmp_path}/sales.yaml", f"{tmp_path}/enterprise.yaml"]
    (list_item,) = json.loads(floe("explain", "bus.servers.0", shop, "--json").out)
    assert list_item["value"] == "nats://bus:4222"


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("naming", "did you mean 'governance.naming'?"),
        ("name", "did you mean 'metadata.name' or 'platform.name'?"),
        ("transforms[0].pth", "did you mean 'transforms.0.path'?"),
        ("computes", "did you mean 'compute'?"),
        ("compute.smal.threads", "did you mean 'compute.small'?"),
        ("metadata.onwer", "did you mean 'metadata.owner'?"),
        ("environments.prod.polices", "did you mean 'environments.prod.policies'?"),
    ],
)
def test_an_unknown_field_is_wrong_usage_with_a_suggestion(floe: Floe, shop: Path, field: str, hint: str) -> None:
    said = floe("explain", field, shop)
    assert said.code == ExitCode.WRONG_USAGE
    assert hint in said.err


def test_a_product_without_a_platform_is_explained_by_the_default(floe: Floe, product: Callable[..., Path]) -> None:
    said = floe("explain", "catalogs.local.type", product())
    assert said.out.splitlines()[1:3] == ["  value      sql", "  from       the embedded platform:14:11"]
