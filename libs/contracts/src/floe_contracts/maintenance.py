"""How tables are kept small: what platform.yaml and floe.yaml say of it, and what holds in the end.

Both documents may say all of it. Where floe.yaml is silent platform.yaml holds, and where both are silent the defaults
of `CompiledMaintenance` do.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from floe_contracts.data import Data
from floe_contracts.product.schedule import Cron, TimeZone
from floe_contracts.sections import Section

MOST_DAYS: Final = 36_500
"""How old anything can be asked to become: JSON has no infinity, and would tell it as nothing said."""
_Days = Annotated[int, Field(ge=0, le=MOST_DAYS)]
_Count = Annotated[int, Field(ge=1, le=1_000_000)]


class Compaction(Section):
    """Small files become large ones."""

    enabled: bool | None = Field(default=None, description="Whether tables are compacted; left out, they are.")
    target_file_size_mb: Annotated[int, Field(ge=1, le=8192)] | None = Field(
        default=None, description="How large files become, in MB; left out, 128."
    )
    min_input_files: Annotated[int, Field(ge=2, le=10_000)] | None = Field(
        default=None, description="How many small files of a partition are worth it; left out, 5."
    )


class ManifestRewriting(Section):
    """Many manifests become few."""

    enabled: bool | None = Field(default=None, description="Whether manifests are rewritten; left out, they are.")
    min_manifests: Annotated[int, Field(ge=2, le=10_000)] | None = Field(
        default=None, description="How many manifests of a snapshot are worth it; left out, 50."
    )


class SnapshotExpiry(Section):
    """Old snapshots go, with the files that only they hold. What tags and branches point to stays."""

    enabled: bool | None = Field(default=None, description="Whether snapshots expire; left out, they do.")
    max_age_days: _Days | None = Field(default=None, description="How old a snapshot becomes; left out, 7 days.")
    min_snapshots: _Count | None = Field(
        default=None, description="How many of the newest stay, however old they are; left out, 10."
    )


class OrphanRemoval(Section):
    """Files that no snapshot ever held go."""

    enabled: bool | None = Field(default=None, description="Whether orphans are removed; left out, they are.")
    min_age_days: Annotated[int, Field(ge=1, le=MOST_DAYS)] | None = Field(
        default=None, description="How old a file is before it counts as left behind; left out, 3 days."
    )


class Maintenance(Section):
    """How tables are kept small, and when."""

    enabled: bool | None = Field(default=None, description="Whether floe maintains tables; left out, it does.")
    after_commits: _Count | None = Field(
        default=None, description="Maintained after so many commits to a table; left out, 20."
    )
    schedule: Cron | None = Field(
        default=None, description="When all tables are maintained: five fields of cron; left out, at 3:17 every day."
    )
    timezone: TimeZone | None = Field(default=None, description="IANA name of the schedule's time zone; left out, UTC.")
    compaction: Compaction = Compaction()
    manifests: ManifestRewriting = ManifestRewriting()
    expiry: SnapshotExpiry = SnapshotExpiry()
    orphans: OrphanRemoval = OrphanRemoval()


class CompiledCompaction(Data):
    """Small files become large ones."""

    enabled: bool = Field(default=True, description="Whether tables are compacted.")
    target_file_size_mb: int = Field(default=128, description="How large files become, in MB.")
    min_input_files: int = Field(default=5, description="How many small files of a partition are worth it.")


class CompiledManifestRewriting(Data):
    """Many manifests become few."""

    enabled: bool = Field(default=True, description="Whether manifests are rewritten.")
    min_manifests: int = Field(default=50, description="How many manifests of a snapshot are worth it.")


class CompiledSnapshotExpiry(Data):
    """Old snapshots go."""

    enabled: bool = Field(default=True, description="Whether snapshots expire.")
    max_age_days: int = Field(default=7, description="How old a snapshot becomes.")
    min_snapshots: int = Field(default=10, description="How many of the newest stay, however old they are.")


class CompiledOrphanRemoval(Data):
    """Files that no snapshot holds go."""

    enabled: bool = Field(default=True, description="Whether orphans are removed.")
    min_age_days: int = Field(default=3, description="How old a file is before it counts as left behind.")


class CompiledMaintenance(Data):
    """How the tables of a product are maintained in one environment."""

    enabled: bool = Field(default=True, description="Whether floe maintains tables.")
    after_commits: int = Field(default=20, description="A table is maintained after so many commits.")
    schedule: str = Field(default="17 3 * * *", description="When all tables are maintained, as cron.")
    timezone: str = Field(default="UTC", description="IANA name of the schedule's time zone.")
    compaction: CompiledCompaction = CompiledCompaction()
    manifests: CompiledManifestRewriting = CompiledManifestRewriting()
    expiry: CompiledSnapshotExpiry = CompiledSnapshotExpiry()
    orphans: CompiledOrphanRemoval = CompiledOrphanRemoval()


def compiled_maintenance(platform: Maintenance, product: Maintenance) -> CompiledMaintenance:
    """What holds of both documents: the product's word, then the platform's, then the default."""
    return CompiledMaintenance.model_validate(_said(platform) | _said(product) | _parts(platform, product))


def _parts(platform: Maintenance, product: Maintenance) -> dict[str, Any]:
    pairs = {
        name: (getattr(platform, name), getattr(product, name))
        for name in ("compaction", "manifests", "expiry", "orphans")
    }
    return {name: _said(outer) | _said(inner) for name, (outer, inner) in pairs.items()}


def _said(section: Section) -> dict[str, Any]:
    """The plain values that a section gives."""
    return {
        name: value
        for name in type(section).model_fields
        if (value := getattr(section, name)) is not None and not isinstance(value, Section)
    }
