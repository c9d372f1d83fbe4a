"""The plan for a pull request: GitHub's Markdown, in which no name can become anything but text.

A name stands in a code span, which no link, mention, emphasis or HTML can leave; a sentence is escaped sign by sign.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from floe_cli.plan_views import words
from floe_contracts.plans import EnvironmentPlan, Impact, Plan

_MOST_ROWS: Final = 100
_MARKS: Final = {"breaking": "🔴 breaking", "warning": "🟡 warning", "info": "⚪ info"}
_SIGNS: Final = re.compile(r"([\\`*_\[\]|~$])")
_LINKED: Final = re.compile(r"[@#]|://|www", re.IGNORECASE)
_JOINER: Final = "\u2060"
"""Invisible; keeps what follows from being a mention, a reference or an address."""


def as_markdown(plan: Plan) -> str:
    """The plan as a comment; long tables are cut, and say so."""
    lines = [f"## floe plan: {code(plan.product)}", ""]
    if plan.is_empty:
        lines += [words.NOTHING_CHANGES, ""]
    else:
        lines += [
            f"**{words.verdict(plan)}**",
            "",
            *_overview(plan),
            "",
            *_impacts(plan.impacts),
            *_nodes(plan),
            *_fields(plan),
        ]
    return "\n".join([*lines, f"<sub>{html.escape(words.title(plan))}</sub>"]) + "\n"


def code(text: str) -> str:
    """`text` as a code span that can stand in a table."""
    clean = words.printable(text) or "(none)"
    # Readers of tables do not agree on a bar after a backslash.
    clean = clean.replace("\\|", "\\¦").replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", clean)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {clean} {fence}" if longest else f"{fence}{clean}{fence}"


def plain(text: str) -> str:
    """`text` as text, whatever it holds."""
    clean = _LINKED.sub(lambda found: f"{found[0][:1]}{_JOINER}{found[0][1:]}", words.printable(text))
    return _SIGNS.sub(r"\\\1", html.escape(clean, quote=False))


def _overview(plan: Plan) -> Iterator[str]:
    heads = ("environment", "added", "removed", "changed", "downstream", "unchanged", "to build")
    rows = []
    for names, environment in words.alike(plan):
        counts = environment.counts
        presence = "" if environment.presence == "kept" else f" ({environment.presence})"
        numbers = (counts.added, counts.removed, counts.changed, counts.downstream, counts.unchanged, counts.runs)
        rows.append((code(names) + presence, *(str(number) for number in numbers)))
    return _table(heads, rows)


def _impacts(impacts: Sequence[Impact]) -> Iterator[str]:
    if not impacts:
        return
    yield from ("### For consumers", "")
    rows = [
        (
            _MARKS[impact.severity],
            impact.kind,
            code(impact.subject),
            plain(impact.message),
            ", ".join(map(code, impact.environments)),
        )
        for impact in impacts
    ]
    yield from _table(("", "kind", "what", "what becomes of it", "where"), rows)
    yield ""


def _nodes(plan: Plan) -> Iterator[str]:
    for names, environment in words.alike(plan):
        if environment.nodes or environment.tests:
            said = html.escape(f"Nodes in {words.printable(names)}: {words.counted(environment)}")
            yield f"<details><summary>{said}</summary>"
            yield ""
            yield from _node_table(environment)
            yield from ("", "</details>", "")


def _node_table(environment: EnvironmentPlan) -> Iterator[str]:
    rows = [(code(node.unique_id), words.what(node), plain(words.why(node))) for node in environment.nodes]
    rows += [(code(test), "tests", "run by itself") for test in environment.tests]
    return _table(("node", "change", "why"), rows)


def _fields(plan: Plan) -> Iterator[str]:
    rows = [
        (code(place), code(change.path), code(words.value(change.before)), code(words.value(change.after)))
        for place, change in words.fields(plan)
    ]
    if rows:
        yield from ("### Fields", "")
        yield from _table(("where", "field", "before", "after"), rows)
        yield ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    listed = list(rows)
    yield _row(heads)
    yield _row(["---"] * len(heads))
    yield from (_row(row) for row in listed[:_MOST_ROWS])
    if len(listed) > _MOST_ROWS:
        yield from ("", f"… and {len(listed) - _MOST_ROWS} more; `floe plan` shows all.")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
