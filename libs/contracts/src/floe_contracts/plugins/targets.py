"""The interface of targets: kinds of compute that dbt builds in, and how their properties stand in profiles.yml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from floe_contracts.plugins.metadata import Plugin

Kind = Literal["text", "integer", "flag", "texts", "map"]
Source = Literal["plain", "either", "secret"]


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a compute and its place in the dbt output.

    Attributes:
        name: dotted path in the properties of the artifact's compute.
        output: dotted path in the dbt output.
        kind: what it is.
        required: whether the adapter does not do without it.
        source: whether it stands in the artifact, is a secret, or either.
    """

    name: str
    output: str
    kind: Kind = "text"
    required: bool = False
    source: Source = "plain"


@dataclass(frozen=True, slots=True)
class Mode:
    """One way into a warehouse: the properties that it takes, and what its output says in any case."""

    properties: tuple[Property, ...]
    constants: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Warehouse:
    """One type of compute.

    Attributes:
        properties: what it takes in every mode.
        section: the property that holds the mode and its properties; empty where there is one way in only.
        modes: every way in, by name.
    """

    properties: tuple[Property, ...]
    section: str = ""
    modes: Mapping[str, Mode] = field(default_factory=dict)


class TargetPlugin(Plugin, Protocol):
    """A kind of compute; `options` is the model of its section in platform.yaml."""

    @property
    def adapter(self) -> str:
        """Name of its dbt adapter; the distribution is `dbt-<adapter>`."""
        ...

    @property
    def warehouse(self) -> Warehouse:
        """How its properties stand in profiles.yml."""
        ...
