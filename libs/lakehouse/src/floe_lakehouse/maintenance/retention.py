"""Which snapshots of a table go, and which stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRef, SnapshotRefType
from pyiceberg.table.snapshots import ancestors_of

_MAX_SNAPSHOT_AGE_MS: Final = "history.expire.max-snapshot-age-ms"
_MIN_SNAPSHOTS: Final = "history.expire.min-snapshots-to-keep"
_MAX_REF_AGE_MS: Final = "history.expire.max-ref-age-ms"


@dataclass(frozen=True, slots=True)
class ExpiryOptions:
    """What may go.

    Attributes:
        older_than_ms: snapshots from before this moment, in milliseconds since 1970 UTC.
        min_snapshots: so many of the newest of every branch stay, however old they are; at least 1.
        pinned: the ids of snapshots that somebody works with. They stay, and so does all that was committed on them:
            whoever planned from one looks at what came after it.
    """

    older_than_ms: int
    min_snapshots: int
    pinned: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Expiring:
    """What goes: snapshots, the oldest first, and tags and branches that have become too old, by name."""

    snapshot_ids: tuple[int, ...]
    refs: tuple[str, ...]


def expiring(metadata: TableMetadata, options: ExpiryOptions, now_ms: int) -> Expiring:
    """Find what may go of a table.

    The rules are Iceberg's (specification, "Snapshot Retention Policy"): a branch keeps its newest snapshots by number
    and by age, a tag its one, and a tag or branch that says how old it may become goes then; the main branch never
    does. A branch's own word holds for it. Where the table's properties keep more than the options do, they hold.

    Args:
        metadata: the table's.
        options: what may go.
        now_ms: the time, in milliseconds since 1970 UTC.
    """
    refs = {name: ref for name, ref in metadata.refs.items() if not _is_over(metadata, name, ref, now_ms)}
    older_than, least = _policy(metadata.properties, options, now_ms)
    keep = {*options.pinned, *(ref.snapshot_id for ref in refs.values())}
    if metadata.current_snapshot_id is not None:
        keep.add(metadata.current_snapshot_id)
    of_branches: set[int] = set()
    for ref in refs.values():
        if ref.snapshot_ref_type is SnapshotRefType.BRANCH:
            own_age, own_least = ref.max_snapshot_age_ms, ref.min_snapshots_to_keep
            chain = _chain(metadata, ref.snapshot_id)
            of_branches |= {one for one, _ in chain}
            moment = now_ms - own_age if own_age is not None else older_than
            keep.update(_kept(chain, moment, own_least if own_least is not None else least, options.pinned))
    gone = [
        one
        for one in metadata.snapshots
        if one.snapshot_id not in keep and (one.snapshot_id in of_branches or one.timestamp_ms < older_than)
    ]
    gone.sort(key=lambda one: (one.timestamp_ms, one.sequence_number or 0))
    return Expiring(tuple(one.snapshot_id for one in gone), tuple(sorted(metadata.refs.keys() - refs.keys())))


def _policy(properties: Mapping[str, str], options: ExpiryOptions, now_ms: int) -> tuple[int, int]:
    """From when on snapshots stay, and how many at least: what keeps more, the options or the table."""
    older_than, least = options.older_than_ms, max(1, options.min_snapshots)
    if (age := properties.get(_MAX_SNAPSHOT_AGE_MS)) is not None:
        older_than = min(older_than, now_ms - int(age))
    if (number := properties.get(_MIN_SNAPSHOTS)) is not None:
        least = max(least, int(number))
    return older_than, least


def _is_over(metadata: TableMetadata, name: str, ref: SnapshotRef, now_ms: int) -> bool:
    """Whether a tag or a branch has become older than it may; its age is that of its snapshot."""
    given = metadata.properties.get(_MAX_REF_AGE_MS)
    age = ref.max_ref_age_ms if ref.max_ref_age_ms is not None else int(given) if given is not None else None
    snapshot = metadata.snapshot_by_id(ref.snapshot_id)
    return name != MAIN_BRANCH and age is not None and snapshot is not None and now_ms - snapshot.timestamp_ms > age


def _chain(metadata: TableMetadata, head: int) -> list[tuple[int, int]]:
    """The snapshots of a branch with their times, the newest first."""
    return [(one.snapshot_id, one.timestamp_ms) for one in ancestors_of(metadata.snapshot_by_id(head), metadata)]


def _kept(chain: list[tuple[int, int]], moment: int, least: int, pinned: frozenset[int]) -> Iterator[int]:
    """What a branch keeps: the newest, without a gap, down to the last one that is needed."""
    deepest = max((depth for depth, (one, _) in enumerate(chain) if one in pinned), default=-1)
    for depth, (one, timestamp) in enumerate(chain):
        if depth >= least and timestamp < moment and depth > deepest:
            return
        yield one
