"""Paths of dbt_project.yml that would have dbt read other people's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from floe_contracts.errors import DocumentInvalid
from floe_dbt.errors import DbtPathRefused
from floe_dbt.packages import install_folder
from floe_dbt.project_paths import MOST_BYTES, MOST_NESTED, check_paths

NAME = "name: shop\n"
REFUSED = {
    "absolute": ("model-paths: [models, /srv/other]\n", (2, 23), "leads out"),
    "above": ("seed-paths:\n  - seeds/../../other\n", (3, 5), "leads out"),
    "one text": ("macro-paths: ../other\n", (2, 14), "leads out"),
    "underscores": ("docs_paths: [/srv]\n", (2, 14), "leads out"),
    "install folder": ("packages-install-path: ../other/dbt_packages\n", (2, 24), "leads out"),
    "jinja": ("test-paths: [\"{{ env_var('HOME') }}\"]\n", (2, 14), "is Jinja"),
    "alias": ("vars: {x: &x [/srv]}\nmodel-paths: *x\n", (3, 14), "alias"),
    "merge": ("vars: &x {model-paths: [/srv]}\n<<: *x\n", (3, 5), "merge key"),
    "twice": ("model-paths: [/srv]\nmodel-paths: [models]\n", (2, 15), "leads out"),
    "escaped": ('model-paths: ["\\x2fsrv"]\n', (2, 15), "leads out"),
    "after a complex key": ("? {a: b}\n: c\nmodel-paths: [/srv]\n", (4, 15), "leads out"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_leads_out_is_refused_at_its_place(tmp_path: Path, name: str) -> None:
    text, place, words = REFUSED[name]
    (tmp_path / "dbt_project.yml").write_text(NAME + text)
    with pytest.raises(DocumentInvalid) as refused:
        check_paths(tmp_path)
    (problem,) = refused.value.problems
    assert isinstance(problem, DbtPathRefused)
    assert words in problem.message
    assert problem.where is not None
    assert (problem.where.file, problem.where.line, problem.where.column) == ("dbt_project.yml", *place)


@pytest.mark.parametrize("folder", ["dbt_packages", "vendor"])
def test_packages_are_held_to_it_too(tmp_path: Path, folder: str) -> None:
    (tmp_path / "dbt_project.yml").write_text(f"{NAME}packages-install-path: {folder}\n")
    package = tmp_path / folder / "tools"
    package.mkdir(parents=True)
    (package / "dbt_project.yml").write_text("name: tools\nmodel-paths: [../../../other]\n")
    with pytest.raises(DocumentInvalid) as refused:
        check_paths(tmp_path)
    assert [str(problem.where) for problem in refused.value.problems] == [
        f"{folder}/tools/dbt_project.yml:2:15 (model-paths)"
    ]


ORDINARY = {
    "paths": "model-paths: [models, 'more models', ./x]\nseed-paths: [seeds]\npackages-install-path: dbt_packages\n",
    "elsewhere": "vars: {paths: [/srv], model-paths: [/srv], when: &when '{{ x }}', again: *when}\non-run-end: /x\n",
    "dbt's own output": "target-path: '{{ 1 }}'\nclean-targets: [../target]\n",
    "no YAML": "[: {",
    "no mapping": "- models\n",
}


@pytest.mark.parametrize("name", ORDINARY)
def test_everything_else_is_left_to_dbt(tmp_path: Path, name: str) -> None:
    (tmp_path / "dbt_project.yml").write_text(ORDINARY[name])
    check_paths(tmp_path)
    check_paths(tmp_path / "nowhere")


def test_documents_made_to_exhaust_are_refused(tmp_path: Path) -> None:
    project = tmp_path / "dbt_project.yml"
    for text in ("x: " + "[" * (MOST_NESTED + 2), "x: " + "y" * MOST_BYTES):
        project.write_text(text)
        with pytest.raises(DocumentInvalid):
            check_paths(tmp_path)
    bomb = "".join(f"a{level}: &a{level} [{f'*a{level - 1}, ' * 9}]\n" for level in range(1, 12))
    project.write_text(f"a0: &a0 x\n{bomb}packages-install-path: *a11\n")
    with pytest.raises(DocumentInvalid):
        check_paths(tmp_path)
    assert install_folder(tmp_path) == "dbt_packages"
