"""Which bundle somebody means."""

from __future__ import annotations

from typing import Final

from floe_contracts.digests import PREFIX
from floe_contracts.semantic_requests import PREVIOUS
from floe_contracts.semantic_states import OfferedBundle, SemanticState
from floe_semantic.errors import BundleUnknown

_SHORTEST: Final = 6


def find_bundle(state: SemanticState, named: str | None) -> OfferedBundle:
    """The bundle that is named by its digest, a start of it, or `previous`; None for the one that is served.

    Raises:
        BundleUnknown: there is none, or several have that start.
    """
    if named is None:
        if state.served is None:
            raise BundleUnknown(f"Cube serves no bundle of {state.product} yet", hint="floe semantic status says why")
        return state.served
    if named == PREVIOUS:
        return _previous(state)
    start = named.removeprefix(PREFIX)
    known = {item.bundle_digest: item for item in (*_present(state), *state.history)}
    found = [item for digest, item in known.items() if digest.removeprefix(PREFIX).startswith(start)]
    if len(start) < _SHORTEST or len(found) > 1:
        raise BundleUnknown(f"{named!r} does not name one bundle of {state.product}", hint="write more of its digest")
    if not found:
        short = ", ".join(digest.removeprefix(PREFIX)[:12] for digest in known) or "none"
        raise BundleUnknown(f"{state.product} has no bundle {named}", hint=f"there is {short}")
    return found[0]


def _previous(state: SemanticState) -> OfferedBundle:
    now = state.served.bundle_digest if state.served else None
    found = next((item for item in state.history if item.bundle_digest != now), None)
    if found is None:
        raise BundleUnknown(f"Cube served no other bundle of {state.product} before")
    return found


def _present(state: SemanticState) -> list[OfferedBundle]:
    return [item for item in (state.wanted, state.offered, state.served) if item is not None]
