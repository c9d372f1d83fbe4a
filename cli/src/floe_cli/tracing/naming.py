"""Which run an id of the chain belongs to: the run's own, a snapshot's, an artifact's, a bundle's or a commit's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from floe_cli.tracing.history import History, Outcome
from floe_contracts.digests import PREFIX
from floe_contracts.errors import WrongUsage

_SHORTEST: Final = 7
"""Hex digits that are enough to be taken for the beginning of a digest or a commit, as with Git."""
_HEX: Final = re.compile(r"[0-9a-f]+")


def find_run(history: History, text: str, hint: str) -> Outcome:
    """The run that has this id or the beginning of it; of an id that several runs share, the newest.

    Args:
        history: what is told.
        text: the id of a run, the number of a snapshot, the digest of an artifact, a source bundle or a Cube bundle,
            or a commit.
        hint: where to look for ids.

    Raises:
        WrongUsage: nothing has this id, or runs of several products have.
    """
    wanted = text.strip().lower()
    exact = [outcome for outcome in history.outcomes if wanted == outcome.run_id]
    found = exact or _begun(history, wanted) or _landed(history, wanted) or _built_from(history, wanted)
    if not found:
        raise WrongUsage(f"no ended run has {text!r}, nor has what one was made of or left", hint=hint)
    return found[-1]


def _begun(history: History, wanted: str) -> list[Outcome]:
    found = [outcome for outcome in history.outcomes if wanted and outcome.run_id.startswith(wanted)]
    if len({outcome.run_id for outcome in found}) > 1 and not _is_digest(wanted):
        raise WrongUsage(f"several runs begin with {wanted!r}", hint="write more of the id")
    return found


def _landed(history: History, wanted: str) -> list[Outcome]:
    return [
        outcome for outcome in history.outcomes if any(wanted == str(table.snapshot_id) for table in outcome.tables)
    ]


def _built_from(history: History, wanted: str) -> list[Outcome]:
    if not _is_digest(wanted):
        return []
    artifacts = {outcome.artifact_digest for outcome in history.outcomes if _begins(outcome.artifact_digest, wanted)}
    for event in history.compiled:
        commit = event.source.commit if event.source else None
        bundle = event.artifact.get("sources", {}).get("bundle")
        if _begins(bundle, wanted) or (commit and commit.startswith(wanted)):
            artifacts.add(event.artifact_digest)
    artifacts |= {event.artifact_digest for event in history.rendered if _begins(event.bundle_digest, wanted)}
    found = [outcome for outcome in history.outcomes if outcome.artifact_digest in artifacts]
    newest = {outcome.product: outcome.run_id for outcome in found}
    if len(newest) > 1:
        runs = _listed(f"{run_id} of {product}" for product, run_id in sorted(newest.items()))
        raise WrongUsage(f"several products have been built from {wanted!r}", hint=f"trace one of the runs: {runs}")
    return found


def _is_digest(wanted: str) -> bool:
    digits = wanted.removeprefix(PREFIX)
    return len(digits) >= _SHORTEST and _HEX.fullmatch(digits) is not None


def _begins(digest: str | None, wanted: str) -> bool:
    return digest is not None and digest.removeprefix(PREFIX).startswith(wanted.removeprefix(PREFIX))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
