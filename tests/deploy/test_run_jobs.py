"""The role of an executor that launches its runs as Kubernetes Jobs."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from floe_executor.adapters.launchers import cluster
from floe_executor.adapters.launchers.settings import KubernetesSettings

DOCUMENTS: Final[list[dict[str, Any]]] = list(
    yaml.safe_load_all((Path(__file__).parents[2] / "deploy" / "kubernetes" / "run-jobs.yaml").read_text())
)
_VERBS: Final = {"create": "create", "read": "get", "list": "list", "delete": "delete"}


@pytest.mark.parametrize("version", ["1.25", "1.29", "1.33", "1.37"])
@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda document: f"{document['kind']}-{document['metadata']['name']}"
)
def test_kubernetes_takes_it(document: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


def test_the_role_allows_what_the_launcher_calls_and_no_more() -> None:
    calls = [node.attr for node in ast.walk(ast.parse(inspect.getsource(cluster))) if isinstance(node, ast.Attribute)]
    wanted = {
        (f"{resource}s", _VERBS[verb])
        for call in calls
        for verb, _, resource in [call.partition("_namespaced_")]
        if verb in _VERBS and resource
    }
    (role,) = (document for document in DOCUMENTS if document["kind"] == "Role")
    allowed = {(name, verb) for rule in role["rules"] for name in rule["resources"] for verb in rule["verbs"]}
    assert allowed == wanted


def test_the_runs_have_no_token_and_no_role() -> None:
    account = KubernetesSettings.model_fields["service_account"].default
    (own,) = (document for document in DOCUMENTS if document["metadata"]["name"] == account)
    assert own["automountServiceAccountToken"] is False
    bound = [subject["name"] for document in DOCUMENTS for subject in document.get("subjects", ())]
    assert bound == ["floe-executor"]
