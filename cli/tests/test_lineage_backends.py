"""Which lineage backends the bus needs consumers for."""

from __future__ import annotations

from pathlib import Path

from floe_cli.lineage_backends import named_backends


def test_backends_come_from_the_settings_and_from_the_platform(platform_yaml: str, tmp_path: Path) -> None:
    assert named_backends({}) == ("file",)
    assert named_backends({"FLOE_LINEAGE_BACKENDS": "file, http"}) == ("file", "http")
    backends = "{b: {type: http, url: 'http://b:5000'}, a: {type: http, url: 'http://a:5000'}}"
    file = tmp_path / "platform.yaml"
    file.write_text(f"{platform_yaml}observability: {{lineage: {backends}}}\n")
    environment = {"FLOE_LINEAGE_BACKENDS": "", "FLOE_LINEAGE_PLATFORM_FILE": str(file)}
    assert named_backends(environment) == ("a", "b")
