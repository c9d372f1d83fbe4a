"""Foreign producers of lineage: who sends, and in which environment it counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from floe_gateway.core.known_callers import is_name


@dataclass(frozen=True, slots=True)
class Producer:
    """Somebody whose events are taken; the name stands in their subjects (`naming.foreign_place`)."""

    name: str
    environment: str

    @property
    def secret(self) -> str:
        """The name of the secret that holds its token."""
        return f"lineage-producer-{self.name}"


ANYBODY: Final = Producer("external", "dev")
"""Whoever sends to a gateway on loopback that names no producers."""


def read_producer(text: str) -> Producer:
    """Read `name:environment`.

    Raises:
        ValueError: it is not written so.
    """
    name, _, environment = text.partition(":")
    if not is_name(name) or not is_name(environment):
        raise ValueError(f"{text!r} is not name:environment, each of small letters, digits and single hyphens")
    return Producer(name, environment)
