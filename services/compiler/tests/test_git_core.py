"""What a commit's tree means: its products, what is refused in them, what changed, what is gone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_compiler.core.git.changes import Gone, Head, all_gone, changed, chosen, gone
from floe_compiler.core.git.errors import PathRefused, ProductTooLarge, RepositoryTooLarge
from floe_compiler.core.git.products import check_sizes, product_name, stand_in_name, winners
from floe_compiler.core.git.state import CompiledProduct, RefState
from floe_compiler.core.git.tree import TreeEntry, check_folder, find_products

ROOT = "r" * 40


def tree(*paths: str, mode: str = "100644") -> list[TreeEntry]:
    """The entries of a commit with these files, as `git ls-tree -r -t` lists them; ids are the paths."""
    entries: dict[str, TreeEntry] = {}
    for path in sorted(paths, key=lambda path: path.split("/")):
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            entries.setdefault(folder, TreeEntry(folder, "040000", f"tree:{folder}"))
        entries[path] = TreeEntry(path, mode, f"blob:{path}")
    return list(entries.values())


def compiled(folder: str, **fields: object) -> CompiledProduct:
    values: dict[str, object] = {
        "folder": folder,
        "product": folder or "top",
        "tree": f"tree:{folder}" if folder else ROOT,
        "platform": None,
        "files": {},
        "commit": "1",
        "artifact_digest": "sha256:1",
        "rejected": False,
        "owned": True,
    }
    return CompiledProduct.model_validate(values | fields)


def state(*products: CompiledProduct) -> RefState:
    return RefState(repository="r", ref="refs/heads/main", commit="1", products=products)


def head(entries: list[TreeEntry], commit: str = "2", platform: str | None = None) -> Head:
    files = {entry.path: entry.oid for entry in entries if entry.is_file}
    return Head(commit, platform, find_products(ROOT, entries, 100), files)


def test_products_are_the_folders_with_a_floe_yaml_at_any_depth() -> None:
    entries = tree(
        "a/floe.yaml", "a/dbt/x.sql", "a/inner/floe.yaml", "b/c/d/floe.yaml", "b/floe.yml", "not-floe.yaml", "z/x"
    )
    found = find_products(ROOT, entries, 100)
    assert [(folder.path, folder.tree) for folder in found] == [
        ("a", "tree:a"),
        ("a/inner", "tree:a/inner"),
        ("b/c/d", "tree:b/c/d"),
    ]
    assert [file.path for file in found[0].files] == ["dbt/x.sql", "floe.yaml", "inner/floe.yaml"]
    (top,) = find_products(ROOT, tree("floe.yaml", "dbt/x.sql"), 100)
    assert (top.path, top.tree, len(top.files)) == ("", ROOT, 2)


@pytest.mark.parametrize("folder", [".git", ".floe/x", "dbt_packages/p", "a/target/b", "node_modules", "..", "a/../.."])
def test_products_are_not_sought_in_what_others_brought(folder: str) -> None:
    assert find_products(ROOT, tree(f"{folder}/floe.yaml"), 100) == ()


def test_more_products_than_allowed_are_refused_by_name() -> None:
    entries = tree(*(f"p{number}/floe.yaml" for number in range(4)))
    assert len(find_products(ROOT, entries, 4)) == 4
    with pytest.raises(RepositoryTooLarge, match="4 products, 3 at most") as caught:
        find_products(ROOT, entries, 3)
    assert str(caught.value.where) == "p3/floe.yaml"


def test_a_plain_folder_is_taken() -> None:
    (folder,) = find_products(ROOT, tree("p/floe.yaml", "p/dbt/models/a.sql", "p/ünï.md", "p/.gitignore"), 9)
    assert check_folder(folder, 10) == ()
    assert [problem.code for problem in check_folder(folder, 3)] == ["FLOE-GIT-014"]


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("a/B", "a/b", "a/b"),
        ("straße", "STRASSE", "straße"),
        ("e\u0301", "\u00e9", "\u00e9"),
        ("A/x", "a/y", "a"),
        ("A/x", "a/x", "a"),
        ("A/x/y", "a/x/y", "a"),
    ],
)
def test_names_that_some_file_systems_confuse_are_told_once(one: str, other: str, told: str) -> None:
    (folder,) = find_products(ROOT, tree("p/floe.yaml", f"p/{one}", f"p/{other}"), 9)
    (problem,) = check_folder(folder, 10)
    assert isinstance(problem, PathRefused)
    assert problem.where is not None
    assert problem.where.file == told


def test_a_name_that_stands_twice_in_a_tree_is_refused() -> None:
    entries = tree("p/floe.yaml", "p/a")
    (folder,) = find_products(ROOT, [*entries, TreeEntry("p/" + "a", "100644", "another")], 9)
    assert [problem.message for problem in check_folder(folder, 10)] == ["the name stands twice"]


@pytest.mark.parametrize("part", [".git", ".GIT", "git~1", "GIT~1", ".git.", ".git ", ".g\u200cit"])
def test_whatever_a_file_system_takes_for_a_git_folder_is_refused(part: str) -> None:
    (folder,) = find_products(ROOT, tree("p/floe.yaml", f"p/{part}/config"), 9)
    assert {problem.code for problem in check_folder(folder, 10)} == {"FLOE-GIT-013"}


def test_a_folder_with_very_many_refusals_names_the_first() -> None:
    (folder,) = find_products(ROOT, [*tree("p/floe.yaml"), *tree(*(f"p/{n}" for n in range(99)), mode="120000")[1:]], 9)
    assert 1 < len(check_folder(folder, 1000)) <= 20


def test_what_is_remembered_as_it_is_now_is_not_compiled() -> None:
    now = head(tree("a/floe.yaml", "b/floe.yaml", "c/floe.yaml", "d/floe.yaml", "e/floe.yaml"))
    before = state(
        compiled("a"),
        compiled("b", tree="another"),
        compiled("c", rejected=True),
        compiled("d", files={"e/floe.yaml": "another"}),
    )
    assert [folder.path for folder in changed(before, now)] == ["b", "c", "d", "e"]
    assert changed(state(*(compiled(folder.path) for folder in now.folders)), now) == ()
    again = state(*(compiled(folder.path, rejected=True, commit="2") for folder in now.folders))
    assert changed(again, now) == ()
    other_platform = head(tree("a/floe.yaml"), platform="sha256:2")
    assert [folder.path for folder in changed(state(compiled("a")), other_platform)] == ["a"]
    gone_file = head(tree("a/floe.yaml"))
    assert changed(state(compiled("a", files={"platform.yaml": ""})), gone_file) == ()


def test_a_product_is_gone_when_its_name_is() -> None:
    before = state(compiled("a"), compiled("b"), compiled("c", product="moves"), compiled("d", product="renamed"))
    retired = gone(before, {"a", "moves", "new"}, {"a", "elsewhere", "d"})
    assert [(item.product.product, item.reason) for item in retired] == [("b", Gone.REMOVED), ("renamed", Gone.RENAMED)]
    assert [item.product.product for item in all_gone(before)] == ["a", "b", "moves", "renamed"]
    assert {item.reason for item in all_gone(before)} == {Gone.REF_DELETED}


def test_of_two_folders_that_claim_a_name_the_one_that_has_it_keeps_it() -> None:
    known = [compiled("b", product="p"), compiled("a", product="p", owned=False)]
    assert chosen("p", ["a", "b"], known) == "b"
    assert chosen("p", ["c", "a"], known) == "a"
    assert winners({"a": "p", "b": "p", "c": "q"}, known) == {"p": "b", "q": "c"}
    (one,) = all_gone(state(*known))
    assert one.product.folder == "b"


@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.booleans(), st.booleans())))
def test_what_was_just_compiled_is_neither_changed_nor_gone(folders: dict[str, tuple[bool, bool]]) -> None:
    now = head(tree(*(f"{folder}/floe.yaml" for folder in folders)))
    after = state()
    for folder, (rejected, owned) in folders.items():
        after = after.with_product(compiled(folder, rejected=rejected, owned=owned, commit="2"))
    assert [product.folder for product in after.products] == sorted(folders)
    assert changed(after, now) == ()
    assert gone(after, set(folders), set(folders)) == ()
    assert RefState.read(after.model_dump(mode="json")) == after


@pytest.mark.parametrize(
    ("floe_yaml", "name"),
    [
        ("metadata: {name: orders}\nnonsense: [1]\n", "orders"),
        ("name: orders\nversion: 1.0.0\n", "orders"),
        ("name: Order_Lines\nversion: 1.0.0\n", "order-lines"),
        ("metadata: {name: Orders!}\n", None),
        ("metadata: {name: [orders]}\n", None),
        ("metadata: orders\n", None),
        ("- orders\n", None),
        ("a: [\n", None),
        ("", None),
    ],
)
def test_a_name_is_read_although_the_rest_is_wrong(floe_yaml: str, name: str | None) -> None:
    assert product_name(floe_yaml) == name


def test_a_product_without_a_name_is_called_as_its_folder() -> None:
    assert stand_in_name("deep/orders", "git.example.com/shop") == "orders"
    assert stand_in_name("", "git.example.com/shop") == "shop"
    assert stand_in_name("a\nb", "r") == "a\\nb"


def test_sizes_are_held_to_the_limits_of_a_bundle() -> None:
    files = [entry for entry in tree("a", "b", "c") if entry.is_file]
    sizes = {"blob:a": 5, "blob:b": 5, "blob:c": 5}
    assert check_sizes(files, sizes, most_each=5, most=15) == []
    (each,) = check_sizes(files, sizes | {"blob:b": 6}, most_each=5, most=99)
    (total,) = check_sizes(files, sizes, most_each=5, most=9)
    for problem, path in ((each, "b"), (total, "b")):
        assert isinstance(problem, ProductTooLarge)
        assert str(problem.where) == path
