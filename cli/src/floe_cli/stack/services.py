"""The services that are installed, found through the entry-point group `floe.services`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from floe_contracts.errors import WrongUsage

if TYPE_CHECKING:
    from floe_chassis.service import Service

GROUP = "floe.services"
CreateApp = Callable[[Mapping[str, str]], "Service"]


def installed_services() -> list[str]:
    """The names of the services that can be run here."""
    return sorted(entry.name for entry in entry_points(group=GROUP))


def load_service(name: str) -> CreateApp:
    """The function that makes the service of that name.

    Raises:
        WrongUsage: no such service is installed.
    """
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            create: CreateApp = entry.load()
            return create
    raise WrongUsage(
        f"the service {name!r} is not installed", hint=f"installed: {', '.join(installed_services()) or 'none'}"
    )
