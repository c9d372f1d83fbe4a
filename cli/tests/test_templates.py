"""Products that `floe init` writes are valid; that they run is shown in test_stack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from floe_cli.product_templates import write_template
from floe_cli.products import read_product
from floe_contracts.errors import WrongUsage


@pytest.mark.parametrize("template", ["minimal", "governed"])
def test_a_template_is_a_valid_product_of_the_folders_name(template: str, tmp_path: Path) -> None:
    folder = tmp_path / "My Shop_2"
    written = write_template(folder, template=template, name=None, owner="O'Neill, data: team")
    product = read_product(folder)
    assert (product.name, product.spec.metadata.owner) == ("my-shop-2", "O'Neill, data: team")
    assert folder / "dbt" / "dbt_project.yml" in written
    assert "name: my_shop_2\n" in (folder / "dbt" / "dbt_project.yml").read_text()
    assert ".floe/\n" in (folder / ".gitignore").read_text()
    assert not [file for file in written if "__name__" in file.read_text() or "__owner__" in file.read_text()]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "floe.yaml").write_text("mine")
    with pytest.raises(WrongUsage, match=r"floe\.yaml is there already"):
        write_template(tmp_path, template="minimal", name="shop", owner="me")
    assert [file.name for file in tmp_path.iterdir()] == ["floe.yaml"]
    assert (tmp_path / "floe.yaml").read_text() == "mine"


def test_what_to_type_next_may_be_pasted(floe: Callable[..., Any], tmp_path: Path) -> None:
    said = floe("init", tmp_path / "My Shop")
    assert f"next: floe validate '{tmp_path}/My Shop'\n" in said.out


@pytest.mark.parametrize(
    ("template", "name", "owner", "message", "hint"),
    [
        ("minimla", "shop", "me", "no template 'minimla'", "did you mean 'minimal'?"),
        ("minimal", "1shop", "me", "'1shop' is no name", "a letter first"),
        ("minimal", "shop", " ", "the owner is empty", "--owner"),
        ("minimal", "shop", "a\nb", "not printable", "--owner"),
    ],
)
def test_what_cannot_be_written_is_refused(
    template: str, name: str, owner: str, message: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(WrongUsage, match=message) as refused:
        write_template(tmp_path, template=template, name=name, owner=owner)
    assert hint in (refused.value.hint or "")
    assert list(tmp_path.iterdir()) == []
