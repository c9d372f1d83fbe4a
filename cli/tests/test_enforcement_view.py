from __future__ import annotations

from pathlib import Path

import pytest

from floe_cli.enforcement_view import show_enforcement, write_report
from floe_contracts.errors import WrongUsage
from floe_contracts.governance.reports import EnforcementSummary, Finding, Place

FINDING = Finding(
    code="FLOE-GOV-201",
    severity="warning",
    environments=("dev",),
    node="model.shop.orders",
    message="the name 'orders' does not follow the convention medallion",
    hint="begin it with bronze_, silver_ or gold_",
    where=Place(file="dbt/models/models.yml", line=3, column=5),
)


def summary(**changed: object) -> EnforcementSummary:
    values = {
        "status": "warned",
        "errors": 0,
        "warnings": 1,
        "notes": 0,
        "not_checked": (),
        "findings": (FINDING,),
        "report_digest": "report",
        "sarif_digest": "sarif",
    }
    return EnforcementSummary.model_validate(values | changed)


class Kept:
    async def get(self, digest: str) -> bytes:
        return digest.encode()


def test_findings_are_shown_with_their_places(capsys: pytest.CaptureFixture[str]) -> None:
    show_enforcement(summary(warnings=3, not_checked=("FLOE-GOV-210",)))
    told = capsys.readouterr()
    assert told.out == ""
    assert "warning FLOE-GOV-201 dbt/models/models.yml:3:5\n  the name 'orders'" in told.err
    assert "hint: begin it with" in told.err
    assert "and 2 more findings" in told.err
    assert "warned: 0 errors, 3 warnings" in told.err
    assert "nothing to look at for FLOE-GOV-210" in told.err


def test_nothing_checked_is_never_shown_as_passed(capsys: pytest.CaptureFixture[str]) -> None:
    show_enforcement(summary(status="not_checked", warnings=0, findings=(), not_checked=("FLOE-GOV-210",)))
    told = capsys.readouterr().err
    assert "not checked" in told
    assert "passed" not in told


def test_a_product_without_rules_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    show_enforcement(summary(status="not_checked", warnings=0, findings=()))
    assert "not checked: neither document sets a rule" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "content"), [("r.sarif", b"sarif"), ("r.json", b"report"), ("r", b"report")])
async def test_the_ending_of_the_file_says_which_report(name: str, content: bytes, tmp_path: Path) -> None:
    await write_report(Kept(), summary(), tmp_path / "new" / name)
    assert (tmp_path / "new" / name).read_bytes() == content


async def test_without_a_report_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="before its rules were looked at"):
        await write_report(Kept(), None, tmp_path / "r.json")
    assert not (tmp_path / "r.json").exists()
