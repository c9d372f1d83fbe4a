"""The errors of the lineage service."""

from __future__ import annotations

from floe_contracts.errors import Permanent, Transient


class BackendNotReady(Transient):
    """A backend cannot be opened at the moment."""

    code = "FLOE-LIN-001"
    title = "A lineage backend is not ready"


class PositionUnreadable(Permanent):
    """The position file beside a lineage file was changed by something else than floe."""

    code = "FLOE-LIN-002"
    title = "The position of a lineage file cannot be read"


class EventRefused(Permanent):
    """A backend will never take an event; the dead letter carries its answer."""

    code = "FLOE-LIN-003"
    title = "A lineage backend refused an event"


class BackendUnknown(Permanent):
    """Nothing is forwarded to a backend of that name."""

    code = "FLOE-LIN-004"
    title = "There is no such lineage backend"


class ReplayRefused(Permanent):
    """The bus does not set the consumer of a backend back."""

    code = "FLOE-LIN-005"
    title = "A lineage backend cannot be set back"


class NameUnknown(Permanent):
    """Nothing has told of a dataset or job of that name, there."""

    code = "FLOE-LIN-020"
    title = "A dataset or job is not known"


class NameAmbiguous(Permanent):
    """Several datasets or jobs are called so."""

    code = "FLOE-LIN-021"
    title = "Several datasets or jobs are called so"


class ColumnUnknown(Permanent):
    """A dataset has no such column, as far as is known."""

    code = "FLOE-LIN-022"
    title = "A column is not known"


class GraphNotReady(Transient):
    """What is known of datasets and jobs is still being read."""

    code = "FLOE-LIN-023"
    title = "The lineage graph is not ready"


class RecordTaken(Transient):
    """Another lineage service writes the same records; there may be one."""

    code = "FLOE-LIN-024"
    title = "Two services write the lineage graph"
