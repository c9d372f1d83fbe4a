"""The platform.yaml of the installation on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from floe_compiler.adapters.installed_platform import read_installed
from floe_compiler.errors import PlatformUnreadable

BELOW = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {name: own, version: 1.0.0, owner: me}
scope: domain
parent: {file: above.yaml}
"""


def test_it_comes_with_those_above_it_as_far_as_they_are_there(tmp_path: Path) -> None:
    file = tmp_path / "platform.yaml"
    file.write_text(BELOW)
    assert read_installed(file) == (BELOW, {})
    (tmp_path / "above.yaml").write_bytes(b"caf\xe9")
    assert read_installed(file) == (BELOW, {"above.yaml": "caf\udce9"})


def test_without_it_the_setting_is_named_and_no_folder(tmp_path: Path) -> None:
    for file in (tmp_path / "platform.yaml", tmp_path):
        with pytest.raises(PlatformUnreadable) as refusal:
            read_installed(file)
        assert str(tmp_path.parent) not in refusal.value.message
        assert "FLOE_COMPILER_PLATFORM_FILE" in (refusal.value.hint or "")
