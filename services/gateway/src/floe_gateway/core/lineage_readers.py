"""Readers of lineage: who asks, and what it may see."""

from __future__ import annotations

from dataclasses import dataclass

from floe_gateway.core.known_callers import is_name
from floe_gateway.errors import PlaceForbidden


@dataclass(frozen=True, slots=True)
class LineageReader:
    """Somebody who may see the lineage of one tenant, or of one environment of it."""

    name: str
    tenant: str
    environment: str | None = None

    @property
    def secret(self) -> str:
        """The name of the secret that holds its token."""
        return f"lineage-reader-{self.name}"

    def environments(self, asked: tuple[str, ...]) -> tuple[str, ...]:
        """The environments to read, of those asked for; none stands for all.

        Raises:
            PlaceForbidden: it may not see one of them.
        """
        if self.environment is None:
            return asked
        if set(asked) - {self.environment}:
            raise PlaceForbidden(
                f"{self.name} may read the environment {self.environment} only", hint="leave environment out"
            )
        return (self.environment,)


def anybody(tenant: str) -> LineageReader:
    """Whoever asks a gateway on loopback that names no readers: it sees the gateway's own tenant."""
    return LineageReader("anybody", tenant)


def read_reader(text: str) -> LineageReader:
    """Read `name:tenant` or `name:tenant/environment`.

    Raises:
        ValueError: it is not written so.
    """
    name, _, place = text.partition(":")
    tenant, slash, environment = place.partition("/")
    if not is_name(name) or not is_name(tenant) or (slash and not is_name(environment)):
        raise ValueError(
            f"{text!r} is not name:tenant or name:tenant/environment, each of small letters, digits and single hyphens"
        )
    return LineageReader(name, tenant, environment or None)
