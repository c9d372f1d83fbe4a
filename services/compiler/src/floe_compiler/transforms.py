"""The kinds of transforms as plugins: what each needs of the product's files."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from floe_compiler.errors import TransformUnfit
from floe_contracts.errors import Where
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.plugins.metadata import API_VERSION, PluginMetadata
from floe_contracts.plugins.registry import TRANSFORMS, load
from floe_contracts.product.checks import Violation
from floe_contracts.product.transforms import DbtTransform, PythonTransform


class DbtPlugin:
    """A dbt project; whether it is one, dbt itself says."""

    metadata = PluginMetadata("dbt", "1.0.0", API_VERSION, "A dbt project.")
    options = DbtTransform

    def check(self, options: DbtTransform, is_file: Callable[[str], bool]) -> Iterator[Violation]:
        del options, is_file
        yield from ()


class PythonPlugin:
    """A Python module that builds one table."""

    metadata = PluginMetadata("python", "1.0.0", API_VERSION, "A Python module that builds one table.")
    options = PythonTransform

    def check(self, options: PythonTransform, is_file: Callable[[str], bool]) -> Iterator[Violation]:
        path = options.module.replace(".", "/")
        if not is_file(f"{path}.py") and not is_file(f"{path}/__init__.py"):
            hint = f"modules start at the product's folder: write {path}.py there"
            yield Violation(("module",), f"the product has no module {options.module!r}", hint)


def check_transforms(spec: FloeSpec, is_file: Callable[[str], bool]) -> Iterator[TransformUnfit]:
    """What keeps the transforms of a product from working.

    Args:
        spec: the product.
        is_file: whether it has a file, by its path from its folder.
    """
    for index, transform in enumerate(spec.transforms):
        for violation in load(TRANSFORMS, transform.type).check(transform, is_file):
            path = ".".join(str(part) for part in ("transforms", index, *violation.path))
            yield TransformUnfit(violation.message, where=Where("floe.yaml", path=path), hint=violation.hint)
