"""The views of a plan, with names that would like to be more than names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from floe_cli.plan_views import VIEWS
from floe_cli.plan_views.markdown_view import as_markdown, code, plain
from floe_cli.plan_views.text_view import as_text
from floe_cli.plan_views.words import NOTHING_CHANGES, printable
from floe_contracts.plans import EnvironmentPlan, FieldChange, Impact, Plan, PlanCounts, PlannedNode

AFTER, BEFORE = "sha256:" + "a" * 64, "sha256:" + "b" * 64
HOSTILE = [
    "a|b",
    "a\\|b",
    "`",
    "``x`|`",
    "<script>alert(1)</script>",
    "<!-- ",
    "</details>",
    "@octocat #1 https://evil.example www.evil.example",
    "![x](https://evil.example/x.png)",
    "two\nlines\r\n\n| new | row |",
    "\x1b[31mred\x07",
    "right\u202eleft",
    "*bold* _it_ ~~s~~ $x$ &lt; \\",
    "[bold red]markup[/]",
    "x" * 500,
    "   ",
]


def node(name: str, **more: Any) -> PlannedNode:
    fields = {"unique_id": f"model.shop.{name}", "name": name, "resource_type": "model", "action": "changed"}
    return PlannedNode(**fields | {"changes": ("sql",), "runs": True} | more)


def plan(name: str = "orders", **more: Any) -> Plan:
    one = EnvironmentPlan(
        presence="kept",
        counts=PlanCounts(changed=1, downstream=1, removed=1, unchanged=7, runs=2),
        nodes=(
            node(name),
            node("mart", changes=("upstream",), because=(f"model.shop.{name}", "model.shop.mart")),
            node("old", action="removed", changes=(), runs=False),
        ),
        tests=(f"test.shop.{name}.abc",),
        dbt_selection=(f"{name},file:{name}.sql",),
        platform=(FieldChange(path="compute.threads", before=2, after=4),),
    )
    fields: dict[str, Any] = {
        "product": "shop",
        "against": BEFORE,
        "artifact_digest": AFTER,
        "fields": (FieldChange(path="product.description", after=name),),
        "environments": {"dev": one, "prod": one},
        "impacts": (
            Impact(
                kind="cube",
                severity="breaking",
                subject=f"{name}.id",
                message=f"the column of {name} is gone",
                environments=("dev", "prod"),
            ),
            Impact(kind="version", severity="warning", subject="metadata.version", message="the version stays 1.0.0"),
        ),
    }
    return Plan(**fields | more)


def empty() -> Plan:
    return plan(
        fields=(),
        impacts=(),
        environments={"dev": EnvironmentPlan(presence="kept", counts=PlanCounts(unchanged=3))},
    )


def parsed(markdown: str) -> list[Token]:
    """As GitHub reads it: tables, struck-out text, and addresses that become links by themselves."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)


def cells(markdown: str) -> list[list[str]]:
    """The rows of every table, as their readers see them."""
    rows: list[list[str]] = []
    tokens = parsed(markdown)
    for index, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("td_open", "th_open"):
            inline = tokens[index + 1]
            rows[-1].append("".join(child.content for child in inline.children or ()))
    return rows


def kinds(markdown: str) -> set[str]:
    return {child.type for token in parsed(markdown) for child in token.children or ()}


def test_the_text_tells_everything_once() -> None:
    text = as_text(plan())
    lines = text.splitlines()
    assert lines[0] == "plan of shop: artifact aaaaaaaaaaaa, against bbbbbbbbbbbb"
    assert "dev, prod  1 removed, 1 changed, 1 downstream, 7 unchanged; 2 to build" in lines
    assert [line.split() for line in lines if "model.shop" in line] == [
        ["sql", "model.shop.orders", "changed", "itself"],
        ["upstream", "model.shop.mart", "orders", "→", "mart"],
        ["removed", "model.shop.old", "not", "built"],
    ]
    assert "  test  test.shop.orders.abc" in lines
    assert "consumers  1 breaking, 1 to look at" in lines
    assert [line.split()[:2] for line in lines if line.startswith(("breaking", "warning"))] == [
        ["breaking", "cube"],
        ["warning", "version"],
    ]
    assert [line.split() for line in lines if "threads" in line] == [["dev,", "prod", "compute.threads", "2", "4"]]
    assert "\x1b" not in text
    assert "\x1b[1;31mbreaking" in as_text(plan(), color=True)


def test_nothing_to_tell_is_told() -> None:
    for form in ("text", "markdown"):
        assert NOTHING_CHANGES in VIEWS[form](empty())
    assert cells(as_markdown(empty())) == []
    first = plan(against=None, impacts=(), fields=())
    assert "the first of the product" in as_text(first)
    assert "nothing that consumers would notice" in as_markdown(first)


def test_json_is_the_plan_itself() -> None:
    assert Plan.read(json.loads(VIEWS["json"](plan()))) == plan()


def test_the_markdown_has_its_tables() -> None:
    rows = cells(as_markdown(plan()))
    assert ["dev, prod", "0", "1", "1", "1", "7", "2"] in rows
    assert ["🔴 breaking", "cube", "orders.id", "the column of orders is gone", "dev, prod"] in rows
    assert ["model.shop.orders", "sql", "changed itself"] in rows
    assert ["model.shop.mart", "upstream", "orders → mart"] in rows
    assert ["product", "product.description", "(none)", "orders"] in rows


def test_a_long_table_is_cut_and_says_so() -> None:
    nodes = tuple(node(f"n{number}") for number in range(150))
    text = as_markdown(plan(environments={"dev": EnvironmentPlan(presence="kept", nodes=nodes)}))
    assert sum(row[0].startswith("model.shop.") for row in cells(text)) == 100
    assert "… and 50 more" in text
    assert (
        sum(
            "model.shop." in line
            for line in as_text(plan(environments={"dev": EnvironmentPlan(presence="kept", nodes=nodes)})).splitlines()
        )
        == 150
    )


def test_a_long_path_keeps_its_ends() -> None:
    path = tuple(f"model.shop.n{number}" for number in range(9))
    one = EnvironmentPlan(presence="kept", nodes=(node("n8", changes=("upstream",), because=path),))
    assert "n0 → … → n7 → n8" in as_text(plan(environments={"dev": one}))


def _holds(name: str) -> None:
    markdown = as_markdown(plan(name))
    assert [len(row) for row in cells(markdown)] == [len(row) for row in cells(as_markdown(plan()))]
    assert kinds(markdown) <= {"text", "code_inline", "softbreak", "strong_open", "strong_close", "html_inline"}
    html = [
        child.content for token in parsed(markdown) for child in token.children or () if child.type == "html_inline"
    ]
    assert html == ["<sub>", "</sub>"]
    blocks = [token.content.strip() for token in parsed(markdown) if token.type == "html_block"]
    assert [block.partition(">")[0] for block in blocks] == ["<details", "</details"]
    text = as_text(plan(name))
    assert len(text.splitlines()) < 120
    assert all(sign == "\n" or sign.isprintable() for sign in text)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_a_name(name: str) -> None:
    _holds(name)


@given(st.text(max_size=40) | st.text(alphabet="`|\\<>\n*_[](){}#@! &$~", max_size=20))
def test_any_name_is_only_a_name(name: str) -> None:
    _holds(name)


@given(st.text(max_size=60) | st.text(alphabet="`|\\<> *", max_size=20))
def test_what_is_shown_is_what_was_meant(name: str) -> None:
    row = cells(f"| {code(name)} | {plain(name)} |\n| --- | --- |\n")[0]
    shown = printable(name)
    if "\\|" not in shown:
        assert row[0] == (shown or "(none)")
    assert row[1].replace("\u2060", "") == shown


def test_a_name_mentions_nobody() -> None:
    said = plain("@octocat #1 https://evil.example www.evil.example")
    for start in ("@octocat", "#1", "https://", "www.evil"):
        assert start not in said.replace("\\", "")
