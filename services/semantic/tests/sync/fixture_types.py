"""What the fixtures of these tests are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from floe_contracts.cloudevents import Received
from floe_contracts.semantic_states import SemanticState

from .playing_cube import PlayedCube

Told = Callable[[], Awaitable[list[Received[Any]]]]
State = Callable[..., Awaitable[SemanticState]]
Served = Callable[..., Awaitable[str]]
Shown = Callable[[PlayedCube], Awaitable[dict[str, list[str]]]]
