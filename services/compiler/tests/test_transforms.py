"""Kinds of transforms as plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from floe_compiler.transforms import check_transforms
from floe_contracts.documents.reading import read_floe_spec
from floe_contracts.plugins.conformance import TransformConformance


class TestDbt(TransformConformance):
    name = "dbt"

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        return {"type": "dbt", "path": "dbt"}


class TestPython(TransformConformance):
    name = "python"

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        return {"type": "python", "name": "scores", "module": "transforms.scores", "tier": "gold"}


@pytest.mark.parametrize("file", ["transforms/scores.py", "transforms/scores/__init__.py"])
def test_a_python_transform_needs_its_module(file: str) -> None:
    spec = read_floe_spec(
        "apiVersion: floe.dev/v1\nkind: FloeSpec\nmetadata: {name: shop, version: 1.0.0, owner: me}\n"
        "transforms: [{type: dbt, path: dbt}, {type: python, name: scores, module: transforms.scores}]\n"
    )
    assert list(check_transforms(spec, {file}.__contains__)) == []
    (problem,) = check_transforms(spec, set[str]().__contains__)
    assert (problem.code, str(problem.where)) == ("FLOE-COMP-022", "floe.yaml (transforms.1.module)")
    assert problem.message == "the product has no module 'transforms.scores'"
    assert problem.hint == "modules start at the product's folder: write transforms/scores.py there"
