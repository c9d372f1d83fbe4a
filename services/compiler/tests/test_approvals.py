"""What a platform allows its products."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from floe_compiler.core.approvals import check_approvals
from floe_contracts.documents.reading import read_floe_spec
from floe_contracts.errors import FloeError
from floe_contracts.platform.resolution import resolve_platform

Problems = Callable[..., list[FloeError]]

SPEC = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: shop, version: 1.0.0, owner: me}
platform: {name: local}
transforms:
  - {type: dbt, path: dbt, models: {orders: {compute: default}}}
  - {type: python, name: scores, module: scores}
destinations: [{name: crm, type: sftp, models: [orders]}]
"""


@pytest.fixture
def problems(platform_yaml: str) -> Problems:
    def check(*lines: str, spec: str = SPEC) -> list[FloeError]:
        text = platform_yaml + "".join(f"{line}\n" for line in lines)
        platform = resolve_platform(text, "platform.yaml", {}.__getitem__)
        return list(check_approvals(read_floe_spec(spec), platform))

    return check


def test_lists_that_are_left_out_approve_anything(problems: Problems) -> None:
    assert problems() == []
    assert problems("approvedPlugins: {}") == []


def test_lists_that_hold_what_is_used_approve_it(problems: Problems) -> None:
    plugins = (
        "approvedPlugins: {targets: [duckdb], catalogs: [sql], transforms: [dbt, python], lineageBackends: [http]}"
    )
    backend = "observability: {lineage: {main: {type: http, url: 'http://lineage:5000'}}}"
    assert problems("approvedSinks: [sftp]", "approvedProducts: [shop]", plugins, backend) == []


def test_each_refusal_names_both_places_and_what_is_approved(problems: Problems) -> None:
    (sink,) = problems("approvedSinks: [s3, sftpp]")
    assert (sink.code, str(sink.where)) == ("FLOE-COMP-021", "floe.yaml (destinations.0.type)")
    place = "platform.yaml:15:1 (approvedSinks)"
    assert sink.message == f"a destination of type 'sftp' is not approved by {place}"
    assert sink.hint == "did you mean 'sftpp'?"
    (product,) = problems("approvedProducts: [billing]")
    assert (str(product.where), product.hint) == ("floe.yaml (metadata.name)", "approved are: billing")
    (transform,) = problems("approvedPlugins: {transforms: [dbt]}")
    assert str(transform.where) == "floe.yaml (transforms.1.type)"


def test_computes_and_catalogs_are_looked_at_in_every_environment(problems: Problems) -> None:
    found = problems("approvedPlugins: {targets: [snowflake], catalogs: [polaris]}")
    assert [str(problem.where) for problem in found] == [
        place
        for _ in ("dev", "prod")
        for place in ("floe.yaml (compute)", "floe.yaml (transforms.0.models.orders.compute)", "floe.yaml (catalog)")
    ]
    assert found[0].message.startswith("in the environment 'dev' a compute of type 'duckdb' is not approved by ")


def test_a_lineage_backend_is_the_platforms_own_fault(problems: Problems) -> None:
    backend = "observability: {lineage: {main: {type: marquez, url: 'http://lineage:5000'}}}"
    (problem,) = problems(backend, "approvedPlugins: {lineageBackends: [http]}")
    assert str(problem.where) == "platform.yaml:15:34 (observability.lineage.main.type)"


def test_a_product_for_another_platform_is_refused(problems: Problems) -> None:
    (problem,) = problems(spec=SPEC.replace("{name: local}", "{name: acme}"))
    assert (problem.code, str(problem.where)) == ("FLOE-COMP-020", "floe.yaml (platform.name)")
    assert problem.message == "the product is written for the platform 'acme', and this one is 'local'"
