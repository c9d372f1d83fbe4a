"""What a state becomes, whatever comes in whatever order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from floe_contracts.events import Problem, SemanticSynced, SourceReference
from floe_contracts.openlineage.naming import Place
from floe_contracts.semantic_states import KEPT_BUNDLES, OfferedBundle, SemanticState, UntoldOutcome
from floe_semantic.core.cube_bundles import BundleDocument
from floe_semantic.core.sync.outcomes import MOST_SAID, bounded_problem, outcome_event
from floe_semantic.core.sync.states import (
    MOST_UNTOLD,
    Announced,
    Rendered,
    abandoned,
    announced,
    announced_of,
    not_rendered,
    refused,
    served,
    wanted_by_artifact,
    wanted_by_request,
    withdrawn,
)

PLACE = Place("default", "prod", "shop")
PROBLEM = Problem(code="FLOE-SEM-006", message="no")

Step = Callable[[SemanticState | None], SemanticState | None]


def rendered(number: int, sequence: int, reason: Any = "compiled") -> Rendered:
    return Rendered(
        bundle_digest=f"sha256:{number:064}",
        artifact_digest=f"sha256:{sequence:064}",
        gate="not_run",
        cause=f"{reason}:{sequence}:{number}",
        reason=reason,
        time="2026-01-01T00:00:00+00:00",
    )


def offering(state: SemanticState | None, step: Callable[..., SemanticState | None], **more: Any) -> Any:
    """A step of Cube, which speaks of what it is offered."""
    if state is None or state.offered is None:
        return None
    return step(state, state.offered.bundle_digest, **more)


def existing(state: SemanticState | None, step: Callable[..., SemanticState | None], *arguments: Any) -> Any:
    return None if state is None else step(state, *arguments)


NUMBERS = st.integers(0, 3)
SEQUENCES = st.integers(1, 6)
INSTANCES = st.sampled_from(["a", "b"])
STEPS: st.SearchStrategy[tuple[str, Step]] = st.one_of(
    st.builds(
        lambda sequence: (
            "announced",
            partial(announced, place=PLACE, artifact=Announced(f"sha256:{sequence:064}", sequence, None)),
        ),
        SEQUENCES,
    ),
    st.builds(
        lambda number, sequence: (
            "wanted",
            partial(wanted_by_artifact, sequence=sequence, bundle=rendered(number, sequence)),
        ),
        NUMBERS,
        SEQUENCES,
    ),
    st.builds(lambda sequence: ("not_rendered", partial(not_rendered, sequence=sequence, problem=PROBLEM)), SEQUENCES),
    st.builds(
        lambda sequence: ("withdrawn", partial(withdrawn, place=PLACE, sequence=sequence, cause=f"r{sequence}")),
        SEQUENCES,
    ),
    st.builds(
        lambda instance: ("served", lambda state: offering(state, served, instance=instance, time="2026-01-01")),
        INSTANCES,
    ),
    st.builds(
        lambda instance: ("refused", lambda state: offering(state, refused, instance=instance, problem=PROBLEM)),
        INSTANCES,
    ),
    st.builds(
        lambda number, sequence: (
            "rolled back",
            lambda state: existing(
                state, partial(wanted_by_request, pinned=True), rendered(number, sequence, "rolled_back")
            ),
        ),
        NUMBERS,
        SEQUENCES,
    ),
)


@given(st.lists(STEPS, max_size=30))
def test_whatever_comes_in_whatever_order(steps: list[tuple[str, Step]]) -> None:
    state: SemanticState | None = None
    for name, step in steps:
        before, state = state, step(state) or state
        if state is None:
            continue
        sequence = before.artifact_sequence if before else 0
        assert state.artifact_sequence >= sequence
        if name in ("announced", "withdrawn") and state is not before:
            assert state.artifact_sequence > sequence
        if state.artifact_digest is None:
            assert (state.wanted, state.offered, state.served, state.pinned) == (None, None, None, False)
        if state.offered is not None:
            assert state.offered in (state.wanted, state.served)
        if state.served is not None:
            assert state.history[0] == state.served
        if name == "refused" and before is not None:
            assert state.served == before.served
        digests = [item.bundle_digest for item in state.history]
        assert len(digests) == len(set(digests)) <= KEPT_BUNDLES
        assert SemanticState.model_validate_json(state.model_dump_json(exclude_none=True)) == state
        # The second of two refusals speaks of what is offered after the first.
        assert name == "refused" or step(state) in (None, state)
    if state is not None:
        after = announced_of(state, frozenset(item.id for item in state.untold))
        assert after is None or after.untold == ()


def test_what_cannot_be_told_does_not_grow_without_end() -> None:
    state: SemanticState | None = None
    for sequence in range(1, 3 * MOST_UNTOLD):
        state = announced(state, PLACE, Announced(f"sha256:{sequence:064}", sequence, None)) or state
        state = wanted_by_artifact(state, sequence, rendered(sequence, sequence)) or state
        assert state is not None
        state = served(state, f"sha256:{sequence:064}", "a", "2026-01-01") or state
    assert state is not None
    assert len(state.untold) == MOST_UNTOLD
    assert state.untold[-1].bundle == state.served


def test_only_the_ref_that_brought_a_product_takes_it_away() -> None:
    def origin(ref: str | None) -> SourceReference | None:
        return None if ref is None else SourceReference(repository="r", ref=ref)

    def held(ref: str | None) -> SemanticState:
        state = announced(None, PLACE, Announced("sha256:" + "0" * 64, 3, origin(ref)))
        assert state is not None
        return state

    assert abandoned(held("refs/heads/main"), 4, origin("main"))
    assert abandoned(held(None), 4, origin(None))
    assert not abandoned(held("refs/heads/main"), 4, origin("feature"))
    assert not abandoned(held("refs/heads/main"), 3, origin("main"))
    assert not abandoned(held("refs/heads/main"), 4, origin(None))


def test_the_event_of_a_very_large_bundle_fits_through_the_bus() -> None:
    members = tuple(f"member_{number}" for number in range(40))
    names = [f"a_model_with_a_rather_long_name_of_its_own_{number}" for number in range(2000)]
    document = BundleDocument(
        files={},
        cubes=dict.fromkeys(names, members),
        skipped=tuple(f"model.shop.{name}: {'left out for a reason that takes long to say ' * 4}" for name in names),
    )
    bundle = rendered(1, 1).offer().model_copy(update={"served_at": "2026-01-01T00:00:02+00:00"})
    untold = UntoldOutcome(id="x", outcome="synced", bundle=bundle)
    event = outcome_event(PLACE, untold, document)
    assert isinstance(event, SemanticSynced)
    assert len(event.cubes) == 2000
    assert event.members == 80_000
    assert event.skipped[-1].startswith("and ")
    assert len(event.model_dump_json()) < 500_000
    assert event.seconds == 2.0


def test_what_cube_says_is_cut() -> None:
    long = bounded_problem(PROBLEM.model_copy(update={"message": "x" * 100_000}))
    assert len(long.message) < MOST_SAID + 100
    assert long.message.endswith("96000 more characters")
    assert bounded_problem(PROBLEM) is PROBLEM


def test_a_state_of_an_older_form_is_read() -> None:
    offered = {"bundle_digest": "d", "artifact_digest": "a", "cause": "c", "reason": "compiled", "offered_at": "t"}
    state = SemanticState.read({"tenant": "t", "environment": "e", "product": "p", "offered": offered, "newer": 1})
    assert state.offered == OfferedBundle.model_validate(offered)
    assert state.untold == ()
