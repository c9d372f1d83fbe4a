"""How the access to a product's tables is shown to people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from floe_contracts.catalog_access import GrantsAnswer, PrincipalCredentials

_STYLES: Final = {"missing": "yellow", "extra": "red"}
_DONE: Final = {"missing": "made", "extra": "taken away"}


def grants_view(answer: GrantsAnswer) -> Iterator[RenderableType]:
    """What differs or was put right, and how it stands."""
    if answer.differences:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
        for each in answer.differences:
            word = Text(_DONE[each.kind], style="green") if each.applied else Text(each.kind, style=_STYLES[each.kind])
            table.add_row(word, Text(each.what))
        yield table
    yield _standing(answer)


def secrets_lines(credentials: Iterable[PrincipalCredentials]) -> Iterator[str]:
    """Secrets that nobody is told again, in lines that no terminal folds or cuts."""
    for each in credentials:
        yield f"{each.service}: {each.principal}"
        yield f"  client id      {each.client_id}"
        yield f"  client secret  {each.client_secret}"


def _standing(answer: GrantsAnswer) -> str:
    product = f"{answer.product} in {answer.environment}, catalog {answer.catalog} ({answer.warehouse} in Polaris)"
    left = [each for each in answer.differences if not each.applied]
    if not left and answer.problem is None:
        return f"{product}: the access is as it should be"
    missing = sum(each.kind == "missing" for each in left)
    return f"{product}: {missing} missing, {len(left) - missing} too much"
