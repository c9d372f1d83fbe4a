"""How bundles, their states and their differences are shown: all pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from floe_cli.commands.printing import print_parts
from floe_cli.semantic import cube_news
from floe_cli.semantic.asking import bundle_named, shown_name
from floe_cli.semantic.bundle_diff import unified
from floe_cli.semantic.run_waiting import CubeOutcome, run_outcome
from floe_cli.semantic.served_state import Served, after
from floe_cli.semantic.sync_waiting import Outcome, outcome_of
from floe_cli.semantic.views import rendered_lines, status_parts
from floe_cli.tracing.cube_verdicts import verdict_in_words
from floe_contracts.digests import digest_of, short
from floe_contracts.errors import WrongUsage
from floe_contracts.events import (
    Event,
    Problem,
    SemanticFailed,
    SemanticRendered,
    SemanticSynced,
    SemanticSyncFailed,
    SemanticWithdrawn,
)
from floe_contracts.semantic_requests import BundleRendered, ServedProduct
from floe_contracts.semantic_states import CubeInstance, OfferedBundle, SemanticState, semantic_state_key

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
OLD, NEW = digest_of(b"old bundle"), digest_of(b"new bundle")
ARTIFACT = digest_of(b"artifact")
PLACE = {"tenant": "default", "environment": "dev", "product": "shop"}
CANNOT = "cannot be served, see floe semantic status"
PROBLEM = Problem(code="FLOE-SEM-003", message="orders: the is not defined")


def bundle(digest: str, **more: Any) -> OfferedBundle:
    told: dict[str, Any] = {"reason": "compiled", "offered_at": "2026-11-21T11:00:00Z", **more}
    return OfferedBundle(bundle_digest=digest, artifact_digest=ARTIFACT, cause="c1", **told)


def cube(digest: str | None, name: str = "cube-1") -> CubeInstance:
    return CubeInstance(instance=name, bundle_digest=digest, seen_at="2026-11-21T11:59:50Z")


def product(**more: Any) -> ServedProduct:
    known: dict[str, Any] = {"status": "pending", "artifact_digest": ARTIFACT, **more}
    return ServedProduct(product="shop", **known)


def shown(*products: ServedProduct) -> str:
    console = Console(record=True, width=200, highlight=False)
    for part in status_parts([("dev", each) for each in products], NOW):
        console.print(part, markup=False)
    return console.export_text()


def test_a_product_that_is_in_sync() -> None:
    served = bundle(NEW, served_at="2026-11-21T11:00:02Z", gate="passed", left_out=3)
    former = bundle(OLD, served_at="2026-11-20T08:00:00Z", reason="requested")
    text = shown(
        product(
            status="in_sync",
            wanted=served,
            offered=served,
            served=served,
            history=(served, former),
            instances=(cube(NEW), cube(NEW, "cube-2")),
        )
    )
    assert "shop in dev  in sync" in text
    assert f"wanted    {short(NEW)} of the artifact {short(ARTIFACT)}, compiled 2026-11-21 11:00:00Z" in text
    assert "Cube's own compiler took it" in text
    assert "left out  3, or said in other words: floe semantic render says what and why" in text
    assert f"served    {short(NEW)}, since 2026-11-21 11:00:02Z" in text
    assert f"cube-1 serves {short(NEW)}, heard of 10 s ago" in text
    assert f"cube-2 serves {short(NEW)}" in text
    assert "offered" not in text
    assert [line.split()[:2] for line in text.splitlines()[-2:]] == [[short(NEW), "*"], [short(OLD), short(ARTIFACT)]]


def test_a_product_that_cube_refuses() -> None:
    old = bundle(OLD, served_at="2026-11-21T10:00:00Z")
    text = shown(product(status="failed", wanted=bundle(NEW), offered=old, served=old, problems=(PROBLEM,)))
    assert "failed" in text.splitlines()[0]
    assert f"offered   {short(OLD)}" in text
    assert "not there to be asked" in text
    assert "none asks for it" in text


def test_a_product_whose_newest_artifact_cannot_be_rendered() -> None:
    old = bundle(OLD, served_at="2026-11-21T10:00:00Z").model_copy(update={"artifact_digest": digest_of(b"before")})
    for wanted in (old, None):
        text = shown(product(status="failed", wanted=wanted, offered=wanted, served=old, problems=(PROBLEM,)))
        assert f"wanted  none of the artifact {short(ARTIFACT)}: {PROBLEM.message}" in text.replace("    ", "  ")
        assert f"{short(OLD)}, since" in text


def test_a_product_that_waits() -> None:
    state = product(wanted=bundle(NEW), offered=bundle(NEW), served=bundle(NEW))
    assert "waiting: no Cube has asked for it" in shown(state)
    some = state.model_copy(update={"instances": (cube(OLD),)})
    assert "waiting: not every Cube serves the wanted bundle yet" in shown(some)


def test_no_line_ends_in_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    served = bundle(NEW, served_at="2026-11-21T11:00:02Z")
    print_parts(*status_parts([("dev", product(wanted=served, served=served, history=(served,)))], NOW))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [line.rstrip() for line in lines]
    assert len(lines) > 5


def test_a_product_that_is_withdrawn() -> None:
    assert "withdrawn" in shown(product(status="withdrawn", artifact_digest=None))


GONE = CubeInstance(instance="gone", bundle_digest=OLD, seen_at="2026-11-21T11:59:10Z")


AGAIN = bundle(NEW).model_copy(update={"cause": "c2"})


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (product(offered=bundle(NEW)), None),
        (product(offered=bundle(NEW), served=bundle(OLD), instances=(cube(OLD),)), None),
        (product(offered=bundle(NEW), served=bundle(NEW), instances=(cube(NEW), cube(OLD, "b"))), None),
        (product(offered=bundle(NEW), served=bundle(NEW)), None),
        (product(offered=bundle(NEW), served=bundle(NEW), instances=(cube(NEW),)), "served"),
        (product(offered=bundle(NEW), served=bundle(NEW), instances=(cube(NEW), GONE)), "served"),
        (product(offered=AGAIN, served=bundle(NEW), instances=(cube(NEW),)), None),
        (product(status="pinned", offered=bundle(NEW), served=bundle(NEW), instances=(cube(NEW),)), "served"),
        (product(status="failed", offered=bundle(OLD), served=bundle(OLD), problems=(PROBLEM,)), "refused"),
        (product(status="failed", offered=None, problems=(PROBLEM,)), "refused"),
        (product(offered=bundle(OLD)), "replaced"),
    ],
    ids=[
        "offered",
        "old-one",
        "one-behind",
        "no-cube",
        "served",
        "one-ended",
        "offered-again",
        "pinned",
        "refused",
        "first-refused",
        "replaced",
    ],
)
def test_what_became_of_an_offer(state: ServedProduct, outcome: Outcome | None) -> None:
    assert outcome_of(NEW, state) == outcome


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (product(wanted=bundle(OLD), offered=bundle(OLD)), None),
        (product(wanted=AGAIN, offered=AGAIN, served=bundle(NEW), instances=(cube(NEW),)), None),
        (product(wanted=AGAIN, offered=AGAIN, served=AGAIN, instances=(cube(NEW),)), "served"),
        (product(status="failed", wanted=AGAIN, offered=bundle(OLD), problems=(PROBLEM,)), "refused"),
        (product(status="pinned", wanted=bundle(OLD), offered=bundle(OLD)), "pinned"),
    ],
    ids=["not-offered-yet", "not-said-again", "served", "refused", "pinned"],
)
def test_what_became_of_the_bundle_of_a_run(state: ServedProduct, outcome: CubeOutcome | None) -> None:
    assert run_outcome(state, "c2", NEW) == outcome


def test_names_of_bundles() -> None:
    served = product(served=bundle(OLD), wanted=bundle(NEW))
    assert (bundle_named("served", served), bundle_named("wanted", served)) == (OLD, NEW)
    assert (bundle_named("previous", served), bundle_named("abc123", served)) == ("previous", "abc123")
    with pytest.raises(WrongUsage, match="offered"):
        bundle_named("offered", served)
    assert shown_name("served", OLD) == f"served {short(OLD)}"
    assert shown_name("abc123", OLD) == short(OLD)


def test_bundles_differ_file_by_file() -> None:
    before = {"a.yml": "one\ntwo\n", "gone.yml": "x\n", "same.yml": "s\n"}
    after_ = {"a.yml": "one\nthree\n", "new.yml": "y\n", "same.yml": "s\n"}
    assert list(unified(before, after_, ("served 1", "wanted 2"))) == [
        *("--- a.yml (served 1)", "+++ a.yml (wanted 2)", "@@ -1,2 +1,2 @@", " one", "-two", "+three"),
        *("--- gone.yml (served 1)", "+++ /dev/null", "@@ -1 +0,0 @@", "-x"),
        *("--- /dev/null", "+++ new.yml (wanted 2)", "@@ -0,0 +1 @@", "+y"),
    ]
    assert list(unified(before, before, ("a", "b"))) == []


def test_what_was_rendered_says_what_is_left_out() -> None:
    rendered = BundleRendered(
        product="shop",
        artifact_digest=ARTIFACT,
        bundle_digest=NEW,
        cubes=("orders",),
        views=(),
        skipped=("metric.shop.x: Cube has no conversion metrics",),
        files=(),
    )
    assert list(rendered_lines(rendered)) == [
        f"bundle   {NEW}",
        f"artifact {ARTIFACT}",
        "cubes    orders",
        "views    none",
        "gate     Cube's own compiler was not there to be asked",
        "left out metric.shop.x: Cube has no conversion metrics",
    ]


BUNDLE: dict[str, Any] = PLACE | {"artifact_digest": ARTIFACT, "bundle_digest": NEW}
NAMES: dict[str, Any] = {"cubes": ("orders",), "views": ()}
RENDERED = SemanticRendered(**BUNDLE, **NAMES, skipped=())
SYNCED = SemanticSynced(**BUNDLE, **NAMES, members=3, policies=1, seconds=1.5)
REFUSED = SemanticSyncFailed(**BUNDLE, problems=(PROBLEM,))
FAILED = SemanticFailed(**PLACE, artifact_digest=ARTIFACT, problems=(PROBLEM,))
WITHDRAWN = SemanticWithdrawn(**PLACE, bundle_digest=NEW)
OTHER = SYNCED.model_copy(update={"bundle_digest": OLD})


def elsewhere(event: Event) -> Event:
    """As it is told of a push to another branch."""
    return event.model_copy(update={"live": False})


@pytest.mark.parametrize(
    ("events", "line"),
    [
        ([RENDERED], f"bundle {short(NEW)}, no Cube has answered with it yet"),
        ([RENDERED, SYNCED], f"bundle {short(NEW)}, served by Cube"),
        ([RENDERED, SYNCED, RENDERED], f"bundle {short(NEW)}, served by Cube"),
        ([OTHER, RENDERED], f"bundle {short(NEW)}, no Cube has answered with it yet"),
        ([RENDERED, REFUSED], f"bundle {short(NEW)}, refused by Cube: orders: the is not defined"),
        ([FAILED], "cannot be rendered: orders: the is not defined"),
        ([SYNCED, WITHDRAWN], "withdrawn"),
        ([SYNCED, elsewhere(FAILED)], f"bundle {short(NEW)}, served by Cube"),
        ([OTHER, elsewhere(RENDERED)], f"bundle {short(OLD)}, served by Cube"),
    ],
    ids=["rendered", "served", "again", "newer", "refused", "failed", "withdrawn", "branch-fails", "branch"],
)
def test_what_is_served_by_the_events(events: list[Event], line: str) -> None:
    served: Served = {}
    for event in events:
        served = after(served, event)
    assert {key: state.in_words() for key, state in served.items()} == {("shop", "dev"): line}
    assert served["shop", "dev"].to_document()["environment"] == "dev"


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        ([], "no Cube has answered with it yet"),
        ([OTHER], "no Cube has answered with it yet"),
        ([SYNCED.model_copy(update={"environment": "prod"})], "no Cube has answered with it yet"),
        ([REFUSED, SYNCED], "Cube answered with its 3 members"),
        ([SYNCED, OTHER], "Cube answered with its 3 members, and serves another one now"),
        ([OTHER, REFUSED], "Cube refused it: orders: the is not defined"),
    ],
    ids=["none", "other-bundle", "other-place", "served", "no-longer", "refused"],
)
def test_the_last_link_of_a_trace(verdicts: list[SemanticSynced | SemanticSyncFailed], words: str) -> None:
    assert verdict_in_words(verdicts, RENDERED) == words


@pytest.mark.parametrize(
    ("state", "cubes", "line"),
    [
        ({}, [], None),
        ({}, [cube(None)], "a Cube serves nothing yet"),
        ({"wanted": bundle(NEW)}, [cube(None)], "a Cube serves nothing yet"),
        ({"wanted": bundle(NEW)}, [cube(NEW)], f"a Cube serves {short(NEW)}, in sync"),
        ({"wanted": bundle(NEW)}, [cube(NEW), cube(NEW, "b")], f"2 Cubes serve {short(NEW)}, in sync"),
        ({"wanted": bundle(NEW)}, [cube(OLD)], f"a Cube serves {short(OLD)}"),
        (
            {"artifact_digest": ARTIFACT, "wanted": bundle(NEW), "problems": (PROBLEM,)},
            [cube(OLD)],
            f"a Cube serves {short(OLD)}; {short(NEW)} {CANNOT}: {PROBLEM.message}",
        ),
        (
            {"artifact_digest": digest_of(b"newer"), "wanted": bundle(OLD), "problems": (PROBLEM,)},
            [cube(OLD)],
            f"a Cube serves {short(OLD)}; the newest artifact {CANNOT}: {PROBLEM.message}",
        ),
    ],
    ids=["none", "nothing", "empty", "in-sync", "two", "behind", "refused", "not-rendered"],
)
def test_what_floe_up_tells_of_cubes(state: dict[str, Any], cubes: list[CubeInstance], line: str | None) -> None:
    known = SemanticState(**PLACE, **state)
    news = cube_news.lines([known], {semantic_state_key(known.place): cubes} if cubes else {})
    assert list(news.values()) == ([f"cube     shop in dev: {line}"] if line else [])
