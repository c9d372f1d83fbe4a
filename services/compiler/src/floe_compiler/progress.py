"""Where a compilation is: one span and one line of the log for each stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from opentelemetry import trace

from floe_compiler.core.stages import Stage
from floe_contracts.governance.reports import EnforcementSummary

_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer(__name__)


@dataclass(slots=True)
class Progress:
    """The stage that a compilation is in, and what governance found so far: a rejection tells both."""

    stage: Stage = Stage.LOAD
    enforcement: EnforcementSummary | None = None


@contextmanager
def entered(stage: Stage, progress: Progress) -> Iterator[None]:
    """Be in a stage; how it ended, and how long it took, is logged whether it refuses or not."""
    progress.stage = stage
    started = time.monotonic()
    result = "stage failed"
    try:
        with _tracer.start_as_current_span(f"compile {stage}"):
            yield
        result = "stage done"
    finally:
        _log.info(result, stage=stage.value, seconds=round(time.monotonic() - started, 3))
