"""Why a run can fail, beside what dbt and the landing say themselves."""

from __future__ import annotations

from floe_contracts.errors import Permanent, Transient


class DbtBuildFailed(Permanent):
    """dbt ended with failed nodes."""

    code = "FLOE-RUN-001"
    title = "Nodes of the dbt project failed"


class AttemptsExhausted(Permanent):
    """Every attempt of the run ended without an outcome."""

    code = "FLOE-RUN-003"
    title = "Every attempt of a run died"


class EnvironmentUnknown(Permanent):
    """The artifact has no such environment."""

    code = "FLOE-RUN-004"
    title = "A run was requested for an environment that the artifact does not have"


class DbtRefused(Permanent):
    """dbt did not begin: it refused the project, the profile or its arguments."""

    code = "FLOE-RUN-005"
    title = "dbt refused to build the project"


class ComputeUnsupported(Permanent):
    """The environment, or some of its models, build where this executor cannot."""

    code = "FLOE-RUN-007"
    title = "The executor cannot build in a compute"


class PlaceUnsupported(Permanent):
    """The environment stores or registers its tables where this executor cannot."""

    code = "FLOE-RUN-008"
    title = "The executor cannot land tables in a storage or catalog"


class RunChanged(Transient):
    """Somebody else wrote the state of the run meanwhile."""

    code = "FLOE-RUN-006"
    title = "The state of a run was changed by another worker"


class TransformInputUnclear(Permanent):
    """A Python transform reads a name that no node, or more than one, has in the environment."""

    code = "FLOE-RUN-025"
    title = "It is not clear what a Python transform reads"


class TransformCheckUnknown(Permanent):
    """A quality check of a Python transform is of a type that floe cannot make, or lacks what the type needs."""

    code = "FLOE-RUN-028"
    title = "A quality check of a Python transform cannot be made"


class TransformCycle(Permanent):
    """A Python transform is built from itself, through the dbt project."""

    code = "FLOE-RUN-026"
    title = "dbt models and Python transforms read each other in a cycle"


class TransformUnsupported(Permanent):
    """The product has Python transforms, and the environment builds where they cannot."""

    code = "FLOE-RUN-027"
    title = "A Python transform cannot build in a compute"


class LiveProductChanged(Transient):
    """Others wrote what is live at a place faster than it could be read and written here."""

    code = "FLOE-RUN-020"
    title = "What is live changes too fast"


class NothingLive(Permanent):
    """A run of what is live was requested, and nothing is."""

    code = "FLOE-RUN-010"
    title = "Nothing is live in the place of a run"


class RunTimedOut(Permanent):
    """The run took longer than its product allows."""

    code = "FLOE-RUN-011"
    title = "A run took too long"


class RetryRefused(Permanent):
    """What is to be retried is no failed run of the place."""

    code = "FLOE-RUN-012"
    title = "A run cannot be retried"


class SelectionInvalid(Permanent):
    """What a request says of its selection or variables is none that dbt may be given."""

    code = "FLOE-RUN-013"
    title = "The selection of a run is not valid"


class NothingSelected(Permanent):
    """The request's selection matches nothing, so nothing was built or tested."""

    code = "FLOE-RUN-014"
    title = "The selection of a run matches nothing"


class PartitionUnknown(Permanent):
    """The product has no such partition."""

    code = "FLOE-RUN-015"
    title = "A partition is not one of the product"


class BackfillRefused(Permanent):
    """The partitions of a backfill cannot be built."""

    code = "FLOE-RUN-016"
    title = "A backfill names no partitions, or too many"


class AttemptDied(Transient):
    """The process of an attempt ended without an outcome, or an error that nobody foresaw ended the attempt."""

    code = "FLOE-RUN-017"
    title = "An attempt of a run died"


class LandingAhead(Transient):
    """Another run of the place has staged its tables and not landed them: an older copy must not land over a newer."""

    code = "FLOE-RUN-018"
    title = "Another run of the product lands first"


class BuildStillRunning(Transient):
    """An earlier build of the same product and environment has not ended."""

    code = "FLOE-RUN-030"
    title = "An earlier build of the same product has not ended yet"


class StartedElsewhere(Permanent):
    """Dagster's UI or daemon started a job whose builds only the executor makes."""

    code = "FLOE-RUN-031"
    title = "A build was started in Dagster instead of floe"


class LauncherUnavailable(Transient):
    """Who launches runs does not answer, is overloaded, or has no room in its quota."""

    code = "FLOE-RUN-045"
    title = "A run cannot be launched at the moment"


class LaunchForbidden(Permanent):
    """The executor may not do what launching a run takes."""

    code = "FLOE-RUN-046"
    title = "The executor may not launch runs"


class LaunchRefused(Permanent):
    """Who launches runs does not take this one: its settings make no valid job."""

    code = "FLOE-RUN-047"
    title = "The launch of a run is refused"


class LauncherMisconfigured(Permanent):
    """The settings say to launch runs where nothing says how to get there."""

    code = "FLOE-RUN-048"
    title = "The launcher of runs is not configured"
