from __future__ import annotations

from typing import Any

import pytest

from floe_contracts.artifacts import Catalog, CompiledArtifacts, Compute, Storage
from floe_contracts.compiled_product import CompiledPythonTransform
from floe_contracts.errors import Permanent
from floe_executor.core.environment_support import check_support
from floe_executor.errors import ComputeUnsupported, PlaceUnsupported, TransformUnsupported

WAREHOUSE = Compute(name="warehouse", type="snowflake", threads=4)


def test_duckdb_on_this_machine_is_supported(artifact: CompiledArtifacts) -> None:
    check_support(artifact, artifact.environments["dev"])


@pytest.mark.parametrize(
    ("changed", "refusal", "path", "message"),
    [
        ({"compute": WAREHOUSE}, ComputeUnsupported, "compute.warehouse", "which is snowflake"),
        ({"computes": {"heavy": WAREHOUSE}}, ComputeUnsupported, "transforms", "gives models the compute 'heavy'"),
        ({"storage": Storage(name="lake", type="s3")}, PlaceUnsupported, "storage.lake", "'lake' is s3"),
        ({"catalog": Catalog(name="polaris", type="polaris")}, PlaceUnsupported, "catalogs.polaris", "is polaris"),
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


def test_a_python_transform_is_not_silently_left_out(artifact: CompiledArtifacts) -> None:
    scores = CompiledPythonTransform(name="scores", module="scores")
    with pytest.raises(TransformUnsupported, match=r"Python transforms \(scores\)"):
        check_support(artifact.model_copy(update={"python_transforms": (scores,)}), artifact.environments["dev"])
