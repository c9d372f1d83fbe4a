"""The types that events have: those of runs, as OpenLineage names them, and those of events without a run.

Stands alone, so that a command line that offers them loads nothing else.
"""

from __future__ import annotations

from typing import Final

RUN_EVENT_TYPES: Final = ("START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER")
"""What `eventType` may be."""
EVENT_TYPES: Final = (*RUN_EVENT_TYPES, "JOB", "DATASET")
"""What subjects and headers say; the last two of events without a run."""
