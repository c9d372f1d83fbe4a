"""What a Kubernetes Job and its pod say about the process that was launched. Documents as the API gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from floe_executor.core.ports import Launch, LaunchState

Document = Mapping[str, Any]

_NEVER: Final = frozenset({"ErrImageNeverPull", "InvalidImageName"})
"""Reasons to wait that no waiting helps against."""


def launch_of(job: Document, pods: Sequence[Document], *, now: datetime, start_seconds: float) -> Launch:
    """The state of a Job that is there.

    A Job whose container has not begun `start_seconds` after it was made counts as ended: without a node, an image, a
    volume or room in the quota it would wait for ever and say nothing.
    """
    conditions = {item["type"]: item for item in _items(job, "status", "conditions") if item.get("status") == "True"}
    if "Complete" in conditions:
        return Launch(LaunchState.ENDED)
    if "Failed" in conditions:
        return Launch(LaunchState.ENDED, _why_failed(conditions["Failed"], pods))
    if job["metadata"].get("deletionTimestamp"):
        return Launch(LaunchState.ENDED, "the Job was deleted")
    if any(_has_begun(pod) for pod in pods):
        return Launch(LaunchState.ACTIVE)
    waits_for, forever = _what_it_waits_for(pods)
    since = datetime.fromisoformat(job["metadata"]["creationTimestamp"])
    if forever or (now - since).total_seconds() > start_seconds:
        return Launch(LaunchState.ENDED, f"it did not begin: {waits_for}")
    return Launch(LaunchState.ACTIVE, waits_for)


def _why_failed(condition: Document, pods: Sequence[Document]) -> str:
    terminated = [state["terminated"] for state in _container_states(pods) if "terminated" in state]
    for ended in terminated:
        if ended.get("reason") == "OOMKilled":
            return "its container was killed for want of memory (OOMKilled)"
        if ended.get("exitCode"):
            return f"its container ended with the code {ended['exitCode']}"
    told = (condition.get("reason"), condition.get("message"))
    return ": ".join(str(part) for part in told if part) or "the Job failed"


def _has_begun(pod: Document) -> bool:
    return any("running" in state or "terminated" in state for state in _container_states([pod]))


def _what_it_waits_for(pods: Sequence[Document]) -> tuple[str, bool]:
    """In words, and whether waiting cannot help."""
    for state in _container_states(pods):
        waiting = state.get("waiting", {})
        reason = waiting.get("reason")
        if reason and reason not in {"ContainerCreating", "PodInitializing"}:
            message = waiting.get("message")
            return f"{reason}: {message}" if message else reason, reason in _NEVER
    for pod in pods:
        for item in _items(pod, "status", "conditions"):
            if item["type"] == "PodScheduled" and item.get("status") == "False":
                return ": ".join(str(item[key]) for key in ("reason", "message") if item.get(key)), False
    return ("its container is being made" if pods else "no pod was made for it"), False


def _container_states(pods: Sequence[Document]) -> list[Document]:
    return [item.get("state") or {} for pod in pods for item in _items(pod, "status", "containerStatuses")]


def _items(document: Document, *path: str) -> list[Document]:
    found: Any = document
    for name in path:
        found = (found or {}).get(name)
    return list(found or ())
