"""The older forms against documents that nobody of this project wrote, with the verdicts of their own systems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from floe_contracts.documents.reading import read_floe_spec, read_platform_spec
from floe_contracts.errors import DocumentInvalid, FloeError

ROOT: Final = Path(__file__).parents[3]
SAMPLES: Final = ROOT.parent / "shared" / "samples"
RULES: Final = ROOT / "docs" / "reference" / "dialects.md"
READ: Final = {
    "floe-spec": read_floe_spec,
    "manifest": read_platform_spec,
    "platform-spec": read_platform_spec,
}
DIFFERS: Final = {
    "floe-spec__04f710ec34.yaml": "one-project",
    "floe-spec__06536e79b9.yaml": "one-project",
    "floe-spec__3657690fb9.yaml": "inner-path",
    "platform-spec__08ec85c966.yaml": "whole-profile",
    "platform-spec__212e0b940c.yaml": "whole-profile",
    "platform-spec__2a143b65b1.yaml": "whole-profile",
    "platform-spec__35d8b395fb.yaml": "whole-profile",
    "platform-spec__58352e840f.yaml": "whole-profile",
    "platform-spec__76dce20362.yaml": "whole-profile",
    "platform-spec__f7e8c4393b.yaml": "whole-profile",
    "platform-spec__fd2ae51ef8.yaml": "whole-profile",
}
"""Samples that floe judges otherwise than their own system did, and the rule that says why."""
EXPECTED: Final = {
    "one-project": "a second dbt project",
    "inner-path": "must be a path inside the product's folder",
    "whole-profile": "is missing",
}
"""What each rule says of such a sample."""


def verdicts() -> list[tuple[Path, str, str]]:
    found = []
    for folder in ("floe-runtime-specs", "floe-specs"):
        file = SAMPLES / folder / "verdicts.json"
        if file.is_file():
            for entry in json.loads(file.read_text(encoding="utf-8")):
                if entry["kind"] in READ:
                    found.append((SAMPLES / folder / entry["file"], entry["kind"], entry["upstream_verdict"]))
    return sorted(found)


VERDICTS: Final = verdicts()


def problems(path: Path, kind: str) -> tuple[FloeError, ...]:
    try:
        READ[kind](path.read_text(encoding="utf-8"), path.name)
    except DocumentInvalid as error:
        return error.problems
    return ()


@pytest.mark.skipif(not VERDICTS, reason="the samples are not beside the repository: not run")
def test_samples_are_judged_as_their_own_systems_did_but_for_rules_that_the_reference_names() -> None:
    assert {verdict for _, _, verdict in VERDICTS} == {"valid", "invalid"}
    judged = {path.name: problems(path, kind) for path, kind, _ in VERDICTS}
    different = {path.name for path, _, verdict in VERDICTS if (verdict == "valid") == bool(judged[path.name])}
    assert different == DIFFERS.keys()
    for name, rule in DIFFERS.items():
        assert all(EXPECTED[rule] in problem.message for problem in judged[name]), judged[name]
    for name, found in judged.items():
        assert all(problem.where and problem.where.file == name and problem.where.line for problem in found)


def test_every_rule_by_which_floe_differs_stands_in_the_reference() -> None:
    text = RULES.read_text(encoding="utf-8")
    assert set(DIFFERS.values()) == EXPECTED.keys()
    assert [rule for rule in EXPECTED if f"`{rule}`" not in text] == []
