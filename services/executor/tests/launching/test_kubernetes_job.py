"""The Job of a run: what Kubernetes takes, and what it may do there."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pod_security import broken_rules

from floe_chassis.settings import load_settings
from floe_contracts.runs import RunRecord
from floe_executor.adapters.launchers.job import job_name, job_of, label_value, selector
from floe_executor.adapters.launchers.settings import KubernetesSettings

VERSIONS = ("1.25", "1.29", "1.33", "1.37")
ALL = {
    "FLOE_EXECUTOR_KUBERNETES_IMAGE": "registry.example.com/floe-executor@sha256:" + "0" * 64,
    "FLOE_EXECUTOR_KUBERNETES_NAMESPACE": "data",
    "FLOE_EXECUTOR_KUBERNETES_IMAGE_PULL_SECRETS": "pull, second",
    "FLOE_EXECUTOR_KUBERNETES_CONFIG_MAPS": "floe-executor",
    "FLOE_EXECUTOR_KUBERNETES_SECRETS": "floe-bus,floe-catalog",
    "FLOE_EXECUTOR_KUBERNETES_SEED_SECRET": "floe-executor-seed",
    "FLOE_EXECUTOR_KUBERNETES_MOUNTED_SECRET": "floe-warehouses",
    "FLOE_EXECUTOR_KUBERNETES_VOLUME_CLAIM": "floe-data",
}
LEAST = {"FLOE_EXECUTOR_KUBERNETES_IMAGE": "floe-executor:1"}


@pytest.fixture
def make_job(run_record: RunRecord) -> Callable[..., dict[str, Any]]:
    def make(variables: dict[str, str], timeout: int | None = None, **fields: Any) -> dict[str, Any]:
        record = run_record.model_copy(update=fields)
        return job_of(record, record.attempt + 1, load_settings(KubernetesSettings, variables), timeout)

    return make


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("variables", [LEAST, ALL], ids=["least", "all"])
def test_kubernetes_takes_the_job(
    make_job: Callable[..., dict[str, Any]], variables: dict[str, str], version: str
) -> None:
    assert kubernetes_validate.validate(make_job(variables), version, strict=True) == version


def test_the_schemas_would_find_a_misspelt_field(make_job: Callable[..., dict[str, Any]]) -> None:
    job = make_job(ALL)
    job["spec"]["backofLimit"] = 0
    with pytest.raises(kubernetes_validate.ValidationError, match="backofLimit"):
        kubernetes_validate.validate(job, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("variables", [LEAST, ALL], ids=["least", "all"])
def test_the_pod_is_restricted(make_job: Callable[..., dict[str, Any]], variables: dict[str, str]) -> None:
    assert list(broken_rules(make_job(variables)["spec"]["template"]["spec"])) == []


@pytest.mark.parametrize(
    ("where", "field", "value", "rule"),
    [
        ("pod", "hostNetwork", True, "host namespaces"),
        ("pod", "securityContext", {"runAsNonRoot": True}, "seccomp"),
        ("pod", "securityContext", {"seccompProfile": {"type": "RuntimeDefault"}}, "running as non-root"),
        ("pod", "volumes", [{"name": "x", "hostPath": {"path": "/"}}], "volume types"),
        ("container", "securityContext", {"capabilities": {"drop": ["ALL"]}}, "privilege escalation"),
        ("container", "securityContext", {"allowPrivilegeEscalation": False}, "capabilities dropped"),
        ("container", "ports", [{"containerPort": 1, "hostPort": 1}], "host ports"),
    ],
)
def test_the_rules_would_find_what_they_are_for(
    make_job: Callable[..., dict[str, Any]], where: str, field: str, value: Any, rule: str
) -> None:
    pod = copy.deepcopy(make_job(LEAST)["spec"]["template"]["spec"])
    (pod if where == "pod" else pod["containers"][0])[field] = value
    assert rule in list(broken_rules(pod))


def test_the_job_is_tried_once_ends_and_goes_away(
    make_job: Callable[..., dict[str, Any]], run_record: RunRecord
) -> None:
    spec = make_job(LEAST, 1800)["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (0, 2400, 3600)
    assert make_job(LEAST)["spec"]["activeDeadlineSeconds"] == 86_400
    pod = spec["template"]["spec"]
    assert (pod["restartPolicy"], pod["automountServiceAccountToken"]) == ("Never", False)
    (container,) = pod["containers"]
    assert container["command"] == ["python", "-m", "floe_executor.run_one", f"default.dev.shop.{run_record.run_id}"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_secrets_are_named_and_never_written(make_job: Callable[..., dict[str, Any]]) -> None:
    pod = make_job(ALL)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["envFrom"] == [
        {"configMapRef": {"name": "floe-executor"}},
        {"secretRef": {"name": "floe-bus"}},
        {"secretRef": {"name": "floe-catalog"}},
    ]
    assert {variable["name"]: variable["value"] for variable in container["env"]} == {
        "FLOE_EXECUTOR_LAUNCHER": "process",
        "FLOE_WORK_DIR": "/scratch/work",
        "HOME": "/scratch",
        "TMPDIR": "/scratch",
        "FLOE_NATS_SEED_FILE": "/var/run/secrets/floe-bus/seed",
        "FLOE_EXECUTOR_SECRETS_DIR": "/var/run/secrets/floe",
    }
    mounted = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert {volume["name"] for volume in pod["volumes"]} == mounted.keys()
    assert mounted["bus-seed"]["readOnly"] is True


def test_one_attempt_is_one_name_and_another_is_another(run_record: RunRecord) -> None:
    other_place = run_record.model_copy(update={"product": "shop2"})
    names = {job_name(run_record, 1), job_name(run_record, 2), job_name(other_place, 1)}
    assert len(names) == 3
    assert job_name(run_record, 1) == job_name(run_record.model_copy(update={"attempt": 7}), 1)
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in names)


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_name_makes_a_label_and_two_names_make_two(one: str, other: str) -> None:
    labels = {label_value(one), label_value(other)}
    assert all(re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", label) for label in labels)
    assert (len(labels) == 1) == (one == other)


def test_odd_names_are_still_a_valid_job(make_job: Callable[..., dict[str, Any]], run_record: RunRecord) -> None:
    odd = {"tenant": "Größe & Co/" * 20, "environment": "-", "product": "a" * 64}
    job = make_job(ALL, **odd)
    kubernetes_validate.validate(job, VERSIONS[-1], strict=True)
    assert all(len(value) <= 63 for value in job["metadata"]["labels"].values())
    chosen = selector(run_record.model_copy(update=odd), 2).split(",")
    assert set(chosen) <= {f"{name}={value}" for name, value in job["metadata"]["labels"].items()}


def test_no_setting_is_printed_into_the_job_but_those_of_the_job(make_job: Callable[..., dict[str, Any]]) -> None:
    assert "hunter2" not in json.dumps(make_job({**ALL, "FLOE_NATS_URL": "nats://u:hunter2@bus"}))
