"""Answers what is asked of the graph."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final, TypeVar

from floe_chassis.answers import Asked
from floe_contracts.lineage_requests import ColumnAnswer, Impact, LineageGraph, ReadColumn, ReadGraph, ReadImpact
from floe_lineage.core.graph.columns_read import read_column
from floe_lineage.core.graph.impact import read_impact
from floe_lineage.core.graph.knowledge import Knowledge
from floe_lineage.core.graph.walking import Seen, read_graph
from floe_lineage.errors import GraphNotReady
from floe_lineage.graph.projector import Projector

AnswerT = TypeVar("AnswerT")

_CURRENT_SECONDS: Final = 60.0
"""So long a request waits for the graph to have read what was stored before the service started."""


class GraphAnswers:
    """The answers; tenant and environment are those of the request's subject."""

    def __init__(self, projector: Projector) -> None:
        self._projector = projector

    async def graph(self, asked: Asked[ReadGraph]) -> LineageGraph:
        """What a dataset or a job is made of, and what is made of it."""
        return await self._answered(asked, read_graph)

    async def impact(self, asked: Asked[ReadImpact]) -> Impact:
        """What a change reaches."""
        return await self._answered(asked, read_impact)

    async def column(self, asked: Asked[ReadColumn]) -> ColumnAnswer:
        """Where a column comes from and goes to."""
        return await self._answered(asked, read_column)

    async def _answered(self, asked: Asked[Any], answer: Callable[[Seen, Any], AnswerT]) -> AnswerT:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CURRENT_SECONDS):
                await self._projector.current.wait()
        knowledge = self._projector.knowledge
        if knowledge is None or not self._projector.current.is_set():
            waiting = self._projector.waiting
            raise GraphNotReady(
                f"the lineage graph has not read all that was told before it started: {waiting} events wait",
                hint="ask again in a while",
            )
        known = knowledge.get(asked.tenant) or Knowledge()
        return answer(Seen(known.graph, known.derivations, asked.environment), asked.request)
