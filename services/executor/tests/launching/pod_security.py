"""The "restricted" profile of Kubernetes' Pod Security Standards as a table of rules, for what floe's pods use.

From https://kubernetes.io/docs/concepts/security/pod-security-standards/ (v1.33).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

Document = Mapping[str, Any]

_VOLUMES: Final = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"),
    *("persistentVolumeClaim", "projected", "secret"),
}
_OF_POD: Final[Mapping[str, Callable[[Document], bool]]] = {
    "host namespaces": lambda pod: not any(pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")),
    "volume types": lambda pod: all(set(volume) - {"name"} <= _VOLUMES for volume in pod.get("volumes", ())),
    "sysctls": lambda pod: not _security(pod).get("sysctls"),
    "windows host process": lambda pod: "windowsOptions" not in _security(pod),
}
_OF_CONTAINER: Final[Mapping[str, Callable[[Document, Document], bool]]] = {
    "privileged": lambda container, _: not _security(container).get("privileged"),
    "privilege escalation": lambda container, _: _security(container).get("allowPrivilegeEscalation") is False,
    "capabilities dropped": lambda container, _: "ALL" in _security(container).get("capabilities", {}).get("drop", ()),
    "capabilities added": lambda container, _: (
        set(_security(container).get("capabilities", {}).get("add", ())) <= {"NET_BIND_SERVICE"}
    ),
    "running as non-root": lambda container, pod: _either(container, pod, "runAsNonRoot") is True,
    "non-root user": lambda container, pod: _either(container, pod, "runAsUser") != 0,
    "seccomp": lambda container, pod: (
        (_either(container, pod, "seccompProfile") or {}).get("type") in {"RuntimeDefault", "Localhost"}
    ),
    "host ports": lambda container, _: not any(port.get("hostPort") for port in container.get("ports", ())),
    "proc mount": lambda container, _: _security(container).get("procMount", "Default") == "Default",
}


def broken_rules(pod: Document) -> Iterator[str]:
    """The rules that a pod's spec breaks."""
    yield from (name for name, holds in _OF_POD.items() if not holds(pod))
    containers = [*pod["containers"], *pod.get("initContainers", ())]
    yield from (name for name, holds in _OF_CONTAINER.items() if not all(holds(one, pod) for one in containers))


def _security(document: Document) -> Document:
    found: Document = document.get("securityContext") or {}
    return found


def _either(container: Document, pod: Document, name: str) -> Any:
    return _security(container).get(name, _security(pod).get(name))
