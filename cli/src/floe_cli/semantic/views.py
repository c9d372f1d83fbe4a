"""How answers of the semantic service are shown to people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from floe_cli.catalog.views import moment
from floe_contracts.digests import short
from floe_contracts.semantic_requests import BundleRendered, ServedProduct
from floe_contracts.semantic_states import OfferedBundle

STATUSES: Final = {
    "in_sync": ("in sync: Cube serves what the newest artifact wants", "green"),
    "pending": ("waiting: not every Cube serves the wanted bundle yet", "yellow"),
    "failed": ("failed: what is wanted is not served", "red"),
    "pinned": ("rolled back: newer artifacts wait until floe semantic sync", "yellow"),
    "withdrawn": ("withdrawn: nothing is served", "dim"),
}
GATES: Final = {
    "passed": "Cube's own compiler took it",
    "not_run": "Cube's own compiler was not there to be asked",
}
_UNASKED: Final = ("waiting: no Cube has asked for it", "yellow")
_REASONS: Final = {"compiled": "compiled", "rolled_back": "rolled back", "requested": "synced again"}


def status_parts(served: Sequence[tuple[str, ServedProduct]], now: datetime) -> Iterator[RenderableType]:
    """All of each product: whether it is in sync, what is wanted and served, the Cubes that run, former bundles.

    Args:
        served: the products with their environments.
        now: the time that ages are counted from.
    """
    for environment, product in served:
        unasked = product.status == "pending" and not product.instances
        text, style = _UNASKED if unasked else STATUSES[product.status]
        yield Text.assemble((f"{product.product} in {environment}", "bold"), "  ", (text, style))
        facts = _table("", "", header=False)
        for name, value in _facts(product, now):
            facts.add_row(Text(name, style="dim"), value)
        if facts.row_count:
            yield facts
        if product.history:
            yield _history(product)


def _facts(product: ServedProduct, now: datetime) -> Iterator[tuple[str, RenderableType]]:
    if product.artifact_digest is not None:
        yield "artifact", short(product.artifact_digest)
    if _is_unrendered(product):
        yield "wanted", f"none of the artifact {short(product.artifact_digest or '')}: {product.problems[0].message}"
    elif product.wanted is not None:
        yield "wanted", _bundle(product.wanted)
        if product.wanted.left_out:
            yield (
                "left out",
                f"{product.wanted.left_out}, or said in other words: floe semantic render says what and why",
            )
    if product.offered is not None and _digest(product.offered) != _digest(product.wanted):
        yield "offered", _bundle(product.offered)
    if product.served is not None:
        since = f", since {moment(product.served.served_at)}" if product.served.served_at else ""
        yield "served", f"{short(product.served.bundle_digest)}{since}"
    for number, cube in enumerate(product.instances):
        serves = f"serves {short(cube.bundle_digest)}" if cube.bundle_digest else "serves nothing yet"
        seconds = max(0, int((now - datetime.fromisoformat(cube.seen_at)).total_seconds()))
        yield "" if number else "Cubes", f"{cube.instance} {serves}, heard of {seconds} s ago"
    if not product.instances:
        yield "Cubes", Text("none asks for it", style="yellow")


def _is_unrendered(product: ServedProduct) -> bool:
    """Whether the newest artifact has no bundle: what was wanted before is none of it."""
    if product.status != "failed" or not product.problems:
        return False
    return product.wanted is None or product.wanted.artifact_digest != product.artifact_digest


def _bundle(bundle: OfferedBundle) -> str:
    told = f"of the artifact {short(bundle.artifact_digest)}, {_REASONS[bundle.reason]} {moment(bundle.offered_at)}"
    return f"{short(bundle.bundle_digest)} {told}; {GATES[bundle.gate]}"


def _digest(bundle: OfferedBundle | None) -> str | None:
    return bundle.bundle_digest if bundle else None


def _history(product: ServedProduct) -> Table:
    table = _table("bundle", "artifact", "came by", "served", header=True)
    for bundle in product.history:
        mark = " *" if bundle.bundle_digest == _digest(product.served) else ""
        first = moment(bundle.served_at) if bundle.served_at else ""
        reason = _REASONS[bundle.reason]
        table.add_row(f"{short(bundle.bundle_digest)}{mark}", short(bundle.artifact_digest), reason, first)
    return table


def rendered_lines(rendered: BundleRendered) -> Iterator[str]:
    """What a bundle is that was rendered to be looked at."""
    yield f"bundle   {rendered.bundle_digest}"
    yield f"artifact {rendered.artifact_digest}"
    yield f"cubes    {', '.join(rendered.cubes) or 'none'}"
    yield f"views    {', '.join(rendered.views) or 'none'}"
    yield f"gate     {GATES[rendered.gate]}"
    for text in rendered.skipped:
        yield f"left out {text}"


def _table(*columns: str, header: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=header)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
