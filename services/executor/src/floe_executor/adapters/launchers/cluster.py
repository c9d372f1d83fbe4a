"""The few calls of the Kubernetes API that launching takes, through the official client, and what their failures mean.

The client blocks: everything here runs in threads. It is imported on first use, since it takes half a second.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from floe_contracts.errors import FloeError
from floe_executor.adapters.launchers.settings import KubernetesSettings
from floe_executor.errors import LauncherMisconfigured, LauncherUnavailable, LaunchForbidden, LaunchRefused

_CONFLICT: Final = 409
_NOT_FOUND: Final = 404
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_TOO_MANY: Final = 429
_FIRST_SERVER_ERROR: Final = 500

ResultT = TypeVar("ResultT")
Document = dict[str, Any]


class Cluster:
    """Jobs and pods of one namespace. Every method blocks.

    All raise `LauncherUnavailable`, `LaunchForbidden` and `LaunchRefused` as the API's answers mean.
    """

    def __init__(self, settings: KubernetesSettings) -> None:
        """Find out where the cluster is; nothing is asked yet.

        Raises:
            LauncherMisconfigured: nothing says where it is.
        """
        self._namespace = settings.namespace
        self._timeout = settings.request_seconds
        client = _connect(settings)
        from kubernetes.client import BatchV1Api, CoreV1Api

        self._client = client
        self._jobs = BatchV1Api(client)
        self._pods = CoreV1Api(client)

    def create_job(self, job: Any) -> bool:
        """Make a Job; False when one of that name is there already."""
        created = self._ask(
            lambda: self._jobs.create_namespaced_job(self._namespace, job, **self._options()), _CONFLICT
        )
        return created is not None

    def job(self, name: str) -> Document | None:
        """A Job, if it is there."""
        found = self._ask(lambda: self._jobs.read_namespaced_job(name, self._namespace, **self._options()), _NOT_FOUND)
        return None if found is None else self._plain(found)

    def jobs(self, selector: str) -> list[Document]:
        """The Jobs with these labels."""
        found = self._ask(
            lambda: self._jobs.list_namespaced_job(self._namespace, label_selector=selector, **self._options())
        )
        return [self._plain(job) for job in found.items] if found is not None else []

    def pods(self, selector: str) -> list[Document]:
        """The pods with these labels."""
        found = self._ask(
            lambda: self._pods.list_namespaced_pod(self._namespace, label_selector=selector, **self._options())
        )
        return [self._plain(pod) for pod in found.items] if found is not None else []

    def delete_job(self, name: str) -> None:
        """Remove a Job and its pods, which are asked to end; gone already is fine too."""
        self._ask(
            lambda: self._jobs.delete_namespaced_job(
                name, self._namespace, propagation_policy="Background", **self._options()
            ),
            _NOT_FOUND,
        )

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _options(self) -> Mapping[str, Any]:
        return {"_request_timeout": (self._timeout, self._timeout)}

    def _plain(self, found: Any) -> Document:
        plain: Document = self._client.sanitize_for_serialization(found)
        return plain

    def _ask(self, call: Callable[[], ResultT], harmless: int | None = None) -> ResultT | None:
        """Ask; None when the answer is the harmless status."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return call()
        except ApiException as error:
            if error.status == harmless:
                return None
            raise _meaning(error.status or 0, _message(error.body) or str(error.reason)) from None
        except HTTPError as error:
            raise LauncherUnavailable(f"the Kubernetes API does not answer: {error}") from None


def _connect(settings: KubernetesSettings) -> Any:
    from kubernetes import config
    from kubernetes.client import ApiClient, Configuration

    configuration = Configuration()
    try:
        if settings.kubeconfig is not None:
            config.load_kube_config(  # type: ignore[no-untyped-call]
                str(settings.kubeconfig), client_configuration=configuration
            )
        else:
            config.load_incluster_config(  # type: ignore[no-untyped-call]
                client_configuration=configuration
            )
    except (config.ConfigException, OSError) as error:
        raise LauncherMisconfigured(
            f"nothing says where the cluster is: {error}",
            hint="run the executor in the cluster with its service account's token, or set "
            "FLOE_EXECUTOR_KUBERNETES_KUBECONFIG",
        ) from None
    configuration.retries = False  # the dispatcher asks again
    return ApiClient(configuration)


def _meaning(status: int, message: str) -> FloeError:
    if status == _FORBIDDEN and "exceeded quota" in message:
        return LauncherUnavailable(f"the namespace has no room for another run: {message}")
    if status == _FORBIDDEN:
        return LaunchForbidden(
            f"the Kubernetes API refuses: {message}",
            hint="bind the executor's service account to the role in deploy/kubernetes/run-jobs.yaml",
        )
    if status in (_UNAUTHORIZED, _TOO_MANY) or status >= _FIRST_SERVER_ERROR or not status:
        return LauncherUnavailable(f"the Kubernetes API answers with {status}: {message}")
    return LaunchRefused(
        f"the Kubernetes API answers with {status}: {message}", hint="check FLOE_EXECUTOR_KUBERNETES_*"
    )


def _message(body: str | bytes | None) -> str | None:
    """What the API's `Status` object says."""
    try:
        told = json.loads(body or b"{}")
    except ValueError:
        return None
    return str(told["message"]) if isinstance(told, dict) and told.get("message") else None
