"""What a request about many products cannot learn, as the catalog of one of them is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from floe_contracts.catalog_requests import Unanswered
from floe_contracts.errors import FloeError
from floe_contracts.requests import RequestProblem


class Gaps:
    """Which products could not be asked, and why. A product that is asked for by its name fails the request.

    Args:
        named: the product that the request names; None: it is about all of them.
    """

    def __init__(self, named: str | None) -> None:
        self._named = named
        self._failures: dict[str, FloeError] = {}

    @contextmanager
    def of(self, product: str) -> Iterator[None]:
        """Ask a product inside the block, which ends where it fails; the first failure is kept.

        Raises:
            FloeError: the request names the product.
        """
        try:
            yield
        except FloeError as error:
            if self._named is not None:
                raise
            self._failures.setdefault(product, error)

    def failure(self, product: str) -> FloeError | None:
        """Why a product could not be asked, if so."""
        return self._failures.get(product)

    def unanswered(self, *, beside: object) -> tuple[Unanswered, ...]:
        """What an answer says of them.

        Args:
            beside: what the others have answered.

        Raises:
            FloeError: they have answered nothing; this is one of the failures.
        """
        if not beside:
            self.check()
        return tuple(
            Unanswered(product=product, problem=RequestProblem.of(error))
            for product, error in sorted(self._failures.items())
        )

    def check(self) -> None:
        """Go on only where all products could be asked.

        Raises:
            FloeError: they could not; this is one of the failures.
        """
        for _, error in sorted(self._failures.items()):
            raise error

    def __str__(self) -> str:
        """A sentence about them; empty if there are none."""
        return "; ".join(
            f"{product} could not be asked: {error.code}: {error.message}"
            for product, error in sorted(self._failures.items())
        )
