from __future__ import annotations

from typing import Any

import pytest

from floe_contracts.artifacts import Catalog, CompiledArtifacts, Compute, Storage
from floe_contracts.attached_catalogs import is_attached
from floe_contracts.compiled_product import CompiledPythonTransform
from floe_contracts.errors import Permanent
from floe_executor.core.environment_support import check_support
from floe_executor.core.warehouses import is_landed
from floe_executor.errors import ComputeUnsupported, PlaceUnsupported, TransformUnsupported

WAREHOUSE = Compute(name="warehouse", type="redshift", threads=4)
POSTGRES = Compute(name="warehouse", type="postgres", threads=4)
LAKE: dict[str, Any] = {"storage": Storage(name="lake", type="s3"), "catalog": Catalog(name="polaris", type="polaris")}


def test_duckdb_on_this_machine_is_supported(artifact: CompiledArtifacts) -> None:
    check_support(artifact, artifact.environments["dev"])


def test_postgres_is_supported(artifact: CompiledArtifacts) -> None:
    check_support(artifact, artifact.environments["dev"].model_copy(update={"compute": POSTGRES}))


@pytest.mark.parametrize("kind", ["glue", "hive", "nessie", "polaris", "rest", "sql"])
@pytest.mark.parametrize("mode", ["static", "iam_role", "service_account", None])
def test_tables_of_a_warehouse_land_in_every_kind_of_catalog(
    artifact: CompiledArtifacts, kind: str, mode: str | None
) -> None:
    storage = Storage(name="lake", type="s3", properties={"credentials": {"mode": mode}} if mode else {})
    places = {"compute": POSTGRES, "storage": storage, "catalog": Catalog(name="c", type=kind)}
    environment = artifact.environments["dev"].model_copy(update=places)
    check_support(artifact, environment)
    assert is_landed(environment.compute.type)
    assert not is_attached(environment)


@pytest.mark.parametrize("kind", ["bigquery", "databricks", "snowflake", "spark"])
def test_a_warehouse_that_writes_iceberg_itself_is_supported_wherever_its_tables_go(
    artifact: CompiledArtifacts, kind: str
) -> None:
    changed = {"compute": Compute(name="warehouse", type=kind, threads=4), **LAKE}
    check_support(artifact, artifact.environments["dev"].model_copy(update=changed))
    assert not is_landed(kind)


def test_duckdb_writes_into_a_rest_catalog_that_vends_credentials(artifact: CompiledArtifacts) -> None:
    environment = artifact.environments["dev"].model_copy(update=LAKE)
    check_support(artifact, environment)
    assert is_attached(environment)


@pytest.mark.parametrize(
    ("changed", "refusal", "path", "message"),
    [
        ({"compute": WAREHOUSE}, ComputeUnsupported, "compute.warehouse", "which is redshift"),
        ({"computes": {"heavy": WAREHOUSE}}, ComputeUnsupported, "transforms", "gives models the compute 'heavy'"),
        ({"storage": Storage(name="lake", type="gcs")}, PlaceUnsupported, "storage.lake", "'lake' is gcs"),
        ({"catalog": Catalog(name="unity", type="unity")}, PlaceUnsupported, "catalogs.unity", "is unity"),
        (
            {
                "compute": POSTGRES,
                "catalog": Catalog(name="r", type="rest", properties={"access_delegation": "remote-signing"}),
            },
            PlaceUnsupported,
            "catalogs.r.accessDelegation",
            "signs each request",
        ),
        (
            LAKE | {"catalog": Catalog(name="nessie", type="nessie", properties={"branch": "audit"})},
            PlaceUnsupported,
            "catalogs.nessie.branch",
            "attaches 'main' only",
        ),
        (
            LAKE | {"catalog": Catalog(name="polaris", type="polaris", properties={"namespace": "floe"})},
            PlaceUnsupported,
            "catalogs.polaris.namespace",
            "stand below one",
        ),
        ({"catalog": LAKE["catalog"]}, PlaceUnsupported, "storage.local", "'local' is local"),
        (
            LAKE | {"catalog": LAKE["catalog"].model_copy(update={"properties": {"access_delegation": "none"}})},
            PlaceUnsupported,
            "catalogs.polaris.accessDelegation",
            "does not vend credentials",
        ),
    ],
)
def test_an_environment_elsewhere_is_refused_before_anything_is_built(
    artifact: CompiledArtifacts, changed: dict[str, Any], refusal: type[Permanent], path: str, message: str
) -> None:
    with pytest.raises(refusal, match=message) as refused:
        check_support(artifact, artifact.environments["dev"].model_copy(update=changed))
    assert refused.value.where is not None
    assert refused.value.where.path == path
    assert refused.value.hint


def test_a_python_transform_builds_in_duckdb_and_is_refused_elsewhere(artifact: CompiledArtifacts) -> None:
    product = artifact.model_copy(
        update={"python_transforms": (CompiledPythonTransform(name="scores", module="scores"),)}
    )
    check_support(product, artifact.environments["dev"])

    postgres = {"compute": POSTGRES}
    with pytest.raises(TransformUnsupported, match=r"Python transforms \(scores\).*which is postgres"):
        check_support(product, artifact.environments["dev"].model_copy(update=postgres))
    with pytest.raises(TransformUnsupported, match="has the catalog 'polaris' attached"):
        check_support(product, artifact.environments["dev"].model_copy(update=LAKE))
