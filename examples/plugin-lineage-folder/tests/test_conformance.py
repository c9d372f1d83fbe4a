"""The plugin passes floe's tests for lineage backends, and does what it says."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from pathlib import Path

import pytest
from acme_lineage_folder.plugin import FolderBackend, FolderNotReady

from floe_contracts.plugins.conformance import LineageBackendConformance
from floe_contracts.plugins.lineage_backends import LineageEvent, Position


class TestFolder(LineageBackendConformance):
    name = "folder"

    @pytest.fixture
    def options(self, tmp_path):
        return {"path": str(tmp_path / "lineage"), "signingKey": {"secretRef": "signing-key"}}

    @pytest.fixture
    def secrets(self):
        return {"signing-key": "a key that nobody may see"}

    def received(self, options):
        return [file.read_bytes() for file in sorted(Path(options["path"]).glob("*.json"))]


def test_events_are_signed_with_the_key(tmp_path):
    backend = FolderBackend(tmp_path, b"key")
    assert asyncio.run(backend.send([LineageEvent(b"{}", "event-1", Position(1, 7))])).status == 200
    (signature,) = tmp_path.glob("*.sig")
    assert signature.read_text() == hmac.new(b"key", b"{}", hashlib.sha256).hexdigest()


def test_a_folder_that_cannot_be_made_is_tried_again(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(FolderNotReady):
        asyncio.run(FolderBackend(tmp_path / "taken" / "below", None).open())
