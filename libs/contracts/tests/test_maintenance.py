"""How tables are maintained: what each document says of it, and what holds in the end."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from floe_contracts.documents.reading import read_floe_spec, read_platform_spec
from floe_contracts.errors import DocumentInvalid
from floe_contracts.maintenance import CompiledMaintenance, Maintenance, compiled_maintenance
from floe_contracts.platform.resolution import resolve_platform

_FLOE = (
    "apiVersion: floe.dev/v1\nkind: FloeSpec\nmetadata: {name: shop, version: 1.0.0, owner: me}\n"
    "transforms: [{type: dbt, path: dbt}]\n"
)
_PLATFORM = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {name: acme, version: 1.0.0, owner: me}
environments:
  dev: {profiles: {default: {compute: small, storage: local, catalog: local}}}
compute: {small: {type: duckdb}}
storage: {local: {type: local}}
catalogs: {local: {type: sql}}
"""
_ALL: dict[str, Any] = {
    "enabled": False,
    "afterCommits": 5,
    "schedule": "0 * * * *",
    "timezone": "Europe/Berlin",
    "compaction": {"enabled": False, "targetFileSizeMb": 256, "minInputFiles": 2},
    "manifests": {"enabled": False, "minManifests": 7},
    "expiry": {"enabled": False, "maxAgeDays": 0, "minSnapshots": 1},
    "orphans": {"enabled": False, "minAgeDays": 1},
}


def platform(maintenance: dict[str, Any]) -> Maintenance:
    return read_platform_spec(_PLATFORM + yaml.safe_dump({"maintenance": maintenance})).maintenance


def product(maintenance: dict[str, Any]) -> Maintenance:
    return read_floe_spec(_FLOE + yaml.safe_dump({"maintenance": maintenance})).maintenance


def test_where_both_are_silent_the_defaults_hold() -> None:
    silent = compiled_maintenance(read_platform_spec(_PLATFORM).maintenance, read_floe_spec(_FLOE).maintenance)
    assert silent == CompiledMaintenance()
    assert (silent.enabled, silent.after_commits, silent.schedule, silent.timezone) == (True, 20, "17 3 * * *", "UTC")


@pytest.mark.parametrize("says", [platform, product], ids=["platform.yaml", "floe.yaml"])
def test_either_document_may_say_all_of_it(says: Any) -> None:
    silent = Maintenance()
    read = says(_ALL)
    pair = (read, silent) if says is platform else (silent, read)
    assert compiled_maintenance(*pair).model_dump() == {
        "enabled": False,
        "after_commits": 5,
        "schedule": "0 * * * *",
        "timezone": "Europe/Berlin",
        "compaction": {"enabled": False, "target_file_size_mb": 256, "min_input_files": 2},
        "manifests": {"enabled": False, "min_manifests": 7},
        "expiry": {"enabled": False, "max_age_days": 0, "min_snapshots": 1},
        "orphans": {"enabled": False, "min_age_days": 1},
    }


def test_the_product_wins_value_by_value() -> None:
    outer = platform({"enabled": False, "afterCommits": 5, "expiry": {"maxAgeDays": 30, "minSnapshots": 3}})
    inner = product({"enabled": True, "expiry": {"maxAgeDays": 0}})
    holds = compiled_maintenance(outer, inner)
    assert (holds.enabled, holds.after_commits) == (True, 5)
    assert (holds.expiry.enabled, holds.expiry.max_age_days, holds.expiry.min_snapshots) == (True, 0, 3)
    assert holds.compaction == CompiledMaintenance().compaction


def test_a_platform_inherits_it_from_its_parent() -> None:
    parent = yaml.safe_load(_PLATFORM) | {"scope": "enterprise", "maintenance": {"afterCommits": 5}}
    child = {
        "apiVersion": "floe.dev/v1",
        "kind": "PlatformSpec",
        "metadata": {"name": "sales", "version": "1.0.0", "owner": "me"},
        "scope": "domain",
        "parent": {"file": "enterprise.yaml"},
        "maintenance": {"expiry": {"minSnapshots": 2}},
    }
    resolved = resolve_platform(
        yaml.safe_dump(child), "platform.yaml", {"enterprise.yaml": yaml.safe_dump(parent)}.__getitem__
    )
    said = resolved.spec.maintenance
    assert (said.after_commits, said.expiry.min_snapshots) == (5, 2)


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ({"afterCommits": 0}, "maintenance.afterCommits"),
        ({"schedule": "every night"}, "maintenance.schedule"),
        ({"timezone": "Middle/Earth"}, "maintenance.timezone"),
        ({"compaction": {"minInputFiles": 1}}, "maintenance.compaction.minInputFiles"),
        ({"compaction": {"targetFileSizeMb": 0}}, "maintenance.compaction.targetFileSizeMb"),
        ({"manifests": {"minManifests": 1}}, "maintenance.manifests.minManifests"),
        ({"expiry": {"minSnapshots": 0}}, "maintenance.expiry.minSnapshots"),
        ({"expiry": {"maxAgeDays": -1}}, "maintenance.expiry.maxAgeDays"),
        ({"orphans": {"minAgeDays": 0}}, "maintenance.orphans.minAgeDays"),
        ({"orphans": {"age": 3}}, "maintenance.orphans.age"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_refused_at_its_place(section: dict[str, Any], path: str) -> None:
    for says in (platform, product):
        with pytest.raises(DocumentInvalid) as refused:
            says(section)
        assert [problem.where.path for problem in refused.value.problems if problem.where] == [path]
