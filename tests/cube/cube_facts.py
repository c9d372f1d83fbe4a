"""What tests wait for at a Cube with floe's cube.js."""

from __future__ import annotations

from typing import Any

from bundle_server import BundleServer  # found by the path that conftest.py adds
from cube_server import CubeServer


def serves(cube: CubeServer, bundles: BundleServer, digest: str) -> None:
    cube.eventually(lambda: bundles.is_served(digest), f"it serves {digest}")


def refused(cube: CubeServer, bundles: BundleServer, digest: str, times: int = 1) -> dict[str, Any]:
    def found() -> list[dict[str, Any]]:
        return [v for v in bundles.verdicts if v["bundle_digest"] == digest and v["outcome"] == "refused"][times - 1 :]

    return cube.eventually(found, f"it refuses {digest}")[0]


def told(cube: CubeServer, text: str) -> list[str]:
    return [line for line in cube.log().splitlines() if text in line]
