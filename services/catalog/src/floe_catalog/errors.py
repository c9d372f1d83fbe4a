"""The errors of the catalog service."""

from __future__ import annotations

from collections.abc import Sequence

from floe_contracts.errors import Permanent, Transient


class SnapshotNotThere(Transient):
    """A run says that it landed a snapshot which the catalog does not show (yet)."""

    code = "FLOE-CAT-001"
    title = "A landed snapshot is not in the catalog"


class ClaimWrong(Permanent):
    """A run says something of its tables that the tables themselves contradict.

    Attributes:
        contradictions: one sentence each.
    """

    code = "FLOE-CAT-002"
    title = "A run's account of its tables is wrong"

    def __init__(self, contradictions: Sequence[str]) -> None:
        self.contradictions = tuple(contradictions)
        super().__init__("; ".join(self.contradictions), hint="who else publishes on this subject?")


class ProductUnknown(Permanent):
    """Nothing is known of a product in an environment: it was not compiled for it, or it is retired."""

    code = "FLOE-CAT-003"
    title = "The catalog service does not look after a product"


class RecordChanged(Transient):
    """Others wrote what the service remembers of a product or a table, time after time."""

    code = "FLOE-CAT-004"
    title = "What is remembered changes faster than it can be written"


class TableContended(Transient):
    """Others changed a table each time that it was to be created or evolved."""

    code = "FLOE-CAT-005"
    title = "A table could not be made ready: others were faster"


class EnvironmentUnknown(Permanent):
    """A run says that it was built in an environment that its artifact does not have."""

    code = "FLOE-CAT-006"
    title = "An artifact does not have an environment"


class TableUnknown(Permanent):
    """No table of the environment is called as somebody asked."""

    code = "FLOE-CAT-030"
    title = "There is no table of that name"


class TableAmbiguous(Permanent):
    """Several tables of the environment end with the name that somebody asked for."""

    code = "FLOE-CAT-031"
    title = "Several tables have that name"


class ProductBusy(Transient):
    """A run builds the product, or somebody else rolls it back: its tables are about to change."""

    code = "FLOE-CAT-032"
    title = "The tables of a product are in use"


class NothingToRollBack(Permanent):
    """No table of a product has a snapshot of the run that somebody wants back."""

    code = "FLOE-CAT-033"
    title = "There is nothing to roll back to"


class RollbackUnfinished(Transient):
    """A rollback stopped in the middle; the service goes on with it by itself."""

    code = "FLOE-CAT-034"
    title = "A rollback is not finished yet"


class RunNotWhole(Permanent):
    """Some of what a run left has expired: its tables cannot all go back to it."""

    code = "FLOE-CAT-035"
    title = "A run cannot be gone back to as a whole"


class AccessUnsupported(Permanent):
    """The catalog of an environment is of a kind whose roles and grants floe does not know, or it has none."""

    code = "FLOE-CAT-040"
    title = "The access to a catalog of this kind cannot be managed"


class AccessNotAdministered(Permanent):
    """The service has no administrator's credentials for the server of an environment's catalog."""

    code = "FLOE-CAT-041"
    title = "The catalog service does not administer this Polaris"


class AccessRefused(Permanent):
    """Polaris does not take the administrator's credentials, or does not do what it was asked."""

    code = "FLOE-CAT-042"
    title = "Polaris refuses to tell or to change who may do what"


class NamespaceTaken(Permanent):
    """A namespace that a product's tables stand in says that it belongs to another product."""

    code = "FLOE-CAT-043"
    title = "A namespace belongs to another product"


class AccessUnreadable(Permanent):
    """Polaris answered in a way that its official client does not understand, as a newer server may."""

    code = "FLOE-CAT-044"
    title = "An answer of Polaris cannot be understood"


class MaintenanceBusy(Transient):
    """Somebody else puts this table in order at the moment: another replica, or for another request."""

    code = "FLOE-CAT-020"
    title = "A table is being maintained already"


class ActionFailed(Permanent):
    """An action came upon something in a table that floe does not expect; the service's log has its traceback."""

    code = "FLOE-CAT-021"
    title = "An action on a table failed unexpectedly"


class ActionProcessDied(Transient):
    """The process that worked on a table ended in the middle, as it does where the machine has no memory left."""

    code = "FLOE-CAT-022"
    title = "The process that maintained a table died"


class ActionStopped(Transient):
    """The work on a table was ended between two steps: the service stops, or may not commit any more."""

    code = "FLOE-CAT-023"
    title = "Work on a table was stopped"


class SnapshotPinnedMeanwhile(Transient):
    """Somebody began to read an old snapshot while its expiry was planned."""

    code = "FLOE-CAT-024"
    title = "A snapshot came to be read while it was to expire"
