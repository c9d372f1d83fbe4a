"""The interface of kinds of transforms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from floe_contracts.plugins.metadata import Plugin
from floe_contracts.product.checks import Violation


class TransformPlugin(Plugin, Protocol):
    """A kind of transform, as the compiler sees it."""

    def check(self, options: Any, is_file: Callable[[str], bool]) -> Iterator[Violation]:
        """What keeps a transform from working, in paths from the transform's own section. Reads no file.

        Args:
            options: an instance of `self.options`.
            is_file: whether the product has a file, by its path from the product's folder.
        """
        ...
