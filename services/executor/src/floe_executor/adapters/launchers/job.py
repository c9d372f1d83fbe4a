"""The Kubernetes Job of one attempt of a run, as the API takes it. No I/O.

It fulfils the "restricted" profile of Kubernetes' Pod Security Standards. It holds no secret: what is secret comes from
Secrets that it names, and its pod has no credentials for the cluster.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from floe_contracts.runs import RunRecord, run_key
from floe_executor.adapters.launchers.settings import KubernetesSettings

_RUN: Final = "floe.dev/run"
_ATTEMPT: Final = "floe.dev/attempt"
_LABEL: Final = re.compile(r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_SEED_FOLDER: Final = "/var/run/secrets/floe-bus"
_MOUNTED_FOLDER: Final = "/var/run/secrets/floe"
_SCRATCH: Final = "/scratch"
_STARTING_SECONDS: Final = 600
"""Beside a product's timeout: for machine, image and start. The run itself keeps the timeout; this is the backstop."""


def job_name(record: RunRecord, attempt: int) -> str:
    """The name of an attempt's Job, always the same, so that it cannot be made twice."""
    return f"floe-run-{_short(run_key(record.place, record.run_id))}-{attempt}"


def selector(record: RunRecord, attempt: int | None = None) -> str:
    """What finds the Jobs and pods of a run, or of one attempt, by their labels."""
    run = f"{_RUN}={label_value(record.run_id)}"
    return run if attempt is None else f"{run},{_ATTEMPT}={attempt}"


def label_value(text: str) -> str:
    """`text` as the value of a label: itself where that is allowed, otherwise what tells it from all others."""
    return text if _LABEL.match(text) else f"hashed-{_short(text)}"


def job_of(
    record: RunRecord, attempt: int, settings: KubernetesSettings, timeout_seconds: int | None
) -> dict[str, Any]:
    """The Job.

    Args:
        record: the run.
        attempt: its number, from 1.
        settings: what is the same for all Jobs.
        timeout_seconds: of the product's runs, if it sets one.
    """
    metadata = _metadata(record, attempt)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": job_name(record, attempt), "namespace": settings.namespace, **metadata},
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": (
                timeout_seconds + _STARTING_SECONDS if timeout_seconds is not None else settings.longest_seconds
            ),
            "ttlSecondsAfterFinished": settings.keep_seconds,
            "template": {"metadata": metadata, "spec": _pod(record, settings)},
        },
    }


def _metadata(record: RunRecord, attempt: int) -> dict[str, Any]:
    labels = {
        "app.kubernetes.io/name": "floe",
        "app.kubernetes.io/component": "run",
        "app.kubernetes.io/managed-by": "floe-executor",
        _RUN: label_value(record.run_id),
        _ATTEMPT: str(attempt),
        "floe.dev/product": label_value(record.product),
        "floe.dev/environment": label_value(record.environment),
        "floe.dev/tenant": label_value(record.tenant),
    }
    whole = {
        "floe.dev/run-key": run_key(record.place, record.run_id),
        "floe.dev/artifact": record.artifact_digest,
    }
    return {"labels": labels, "annotations": whole}


def _pod(record: RunRecord, settings: KubernetesSettings) -> dict[str, Any]:
    volumes, mounts = _volumes(settings)
    return {
        "restartPolicy": "Never",
        "serviceAccountName": settings.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": settings.grace_seconds,
        "imagePullSecrets": [{"name": name} for name in settings.image_pull_secrets],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": settings.user,
            "runAsGroup": settings.user,
            "fsGroup": settings.user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "run",
                "image": settings.image,
                "imagePullPolicy": settings.image_pull_policy,
                "command": ["python", "-m", "floe_executor.run_one", run_key(record.place, record.run_id)],
                "env": _variables(settings),
                "envFrom": [
                    *({"configMapRef": {"name": name}} for name in settings.config_maps),
                    *({"secretRef": {"name": name}} for name in settings.secrets),
                ],
                "resources": {
                    "requests": {"cpu": settings.cpu_request, "memory": settings.memory_request},
                    "limits": {"memory": settings.memory_limit},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "privileged": False,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": mounts,
            }
        ],
        "volumes": volumes,
    }


def _variables(settings: KubernetesSettings) -> list[dict[str, str]]:
    """What differs from the executor that launches; it wins over the config maps and secrets."""
    variables = {
        "FLOE_EXECUTOR_LAUNCHER": "process",
        "FLOE_WORK_DIR": f"{_SCRATCH}/work",
        "HOME": _SCRATCH,
        "TMPDIR": _SCRATCH,
    }
    if settings.seed_secret:
        variables["FLOE_NATS_SEED_FILE"] = f"{_SEED_FOLDER}/seed"
    if settings.mounted_secret:
        variables["FLOE_EXECUTOR_SECRETS_DIR"] = _MOUNTED_FOLDER
    return [{"name": name, "value": value} for name, value in variables.items()]


def _volumes(settings: KubernetesSettings) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    volumes: list[dict[str, Any]] = [{"name": "scratch", "emptyDir": {"sizeLimit": settings.scratch_size}}]
    mounts: list[dict[str, Any]] = [{"name": "scratch", "mountPath": _SCRATCH}]
    mounted = {"bus-seed": (settings.seed_secret, _SEED_FOLDER), "secrets": (settings.mounted_secret, _MOUNTED_FOLDER)}
    for name, (secret, folder) in mounted.items():
        if secret:
            volumes.append({"name": name, "secret": {"secretName": secret, "defaultMode": 0o440}})
            mounts.append({"name": name, "mountPath": folder, "readOnly": True})
    if settings.volume_claim:
        volumes.append({"name": "data", "persistentVolumeClaim": {"claimName": settings.volume_claim}})
        mounts.append({"name": "data", "mountPath": "/data"})
    return volumes, mounts


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
