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


class TransformUnsupported(Permanent):
    """The product has transforms that this executor does not build."""

    code = "FLOE-RUN-009"
    title = "The executor cannot build a kind of transform"


class RunChanged(Transient):
    """Somebody else wrote the state of the run meanwhile."""

    code = "FLOE-RUN-006"
    title = "The state of a run was changed by another worker"
