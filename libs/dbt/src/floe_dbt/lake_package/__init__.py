"""The dbt package that brings the materialisation `iceberg_table`.

dbt loads every folder of `dbt_packages` as a package, declared or not. So a project uses it without naming it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

NAME: Final = "floe_lake"
_FILES: Final = ("dbt_project.yml", "macros/iceberg_table.sql")
_INSTALLED_INTO: Final = "dbt_packages"


def install(project: Path) -> None:
    """Put the package into a checked-out project, where it is not there as it is.

    Args:
        project: folder of dbt_project.yml.
    """
    for name in _FILES:
        source, target = Path(__file__).parent / name, project / _INSTALLED_INTO / NAME / name
        if not target.is_file() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
