"""Foreign producers of lineage: who sends, and in which environment it counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from floe_gateway.core.bearer_tokens import bears, unauthorized

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Producer:
    """Somebody whose events are taken; the name stands in their subjects (`naming.foreign_place`)."""

    name: str
    environment: str


ANYBODY: Final = Producer("external", "dev")
"""Whoever sends to a gateway on loopback that names no producers."""


@dataclass(frozen=True, slots=True)
class KnownProducer:
    """A producer with the token that it sends."""

    producer: Producer
    token: SecretStr


def read_producer(text: str) -> Producer:
    """Read `name:environment`.

    Raises:
        ValueError: it is not written so.
    """
    name, _, environment = text.partition(":")
    if not _NAME.fullmatch(name) or not _NAME.fullmatch(environment):
        raise ValueError(f"{text!r} is not name:environment, each of small letters, digits and single hyphens")
    return Producer(name, environment)


def secret_of(producer: Producer) -> str:
    """The name of the secret that holds a producer's token."""
    return f"lineage-producer-{producer.name}"


def recognise(authorization: str | None, known: Sequence[KnownProducer], *, closed: bool) -> Producer:
    """Who sends.

    Args:
        authorization: the header as it came.
        known: all producers; each is compared, so that the time says nothing.
        closed: whether nobody is let in where no producer is known.

    Raises:
        Unauthorized: the token is nobody's.
    """
    if not known and not closed:
        return ANYBODY
    found = [each.producer for each in known if bears(authorization, each.token)]
    if not found:
        raise unauthorized()
    return found[0]
