"""The artifact as text: JSON, YAML, and a ConfigMap of Kubernetes. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from floe_contracts.digests import canonical_json, short

_CONFIG_MAP_BYTES: Final = 1024 * 1024
"""What Kubernetes takes at most (its API's limit for the data of a ConfigMap)."""


def to_json(artifact: dict[str, Any], digest: str) -> str:
    """The document, indented; the digest is of its canonical form, not of this text."""
    del digest
    return json.dumps(artifact, indent=2, ensure_ascii=False) + "\n"


def to_yaml(artifact: dict[str, Any], digest: str) -> str:
    """The document as YAML, with the digest in a comment."""
    return f"# {digest}\n" + _yaml(artifact)


def to_config_map(artifact: dict[str, Any], digest: str) -> str:
    """An immutable ConfigMap whose data is the canonical JSON: its sha256 is the digest.

    Raises:
        ValueError: the document is larger than a ConfigMap may be.
    """
    document = canonical_json(artifact).decode()
    if len(document.encode()) > _CONFIG_MAP_BYTES:
        raise ValueError("the artifact is larger than a ConfigMap may be")
    product = artifact["product"]["name"]
    return _yaml(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"floe-{product}-{short(digest)}",
                "labels": {"app.kubernetes.io/part-of": "floe", "floe.dev/product": product},
                "annotations": {"floe.dev/artifact-digest": digest},
            },
            "immutable": True,
            "data": {"artifact.json": document},
        }
    )


FORMATS: Final[dict[str, Callable[[dict[str, Any], str], str]]] = {
    "json": to_json,
    "yaml": to_yaml,
    "configmap": to_config_map,
}


def _yaml(document: dict[str, Any]) -> str:
    import yaml

    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    return text
