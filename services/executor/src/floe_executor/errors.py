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


class RunChanged(Transient):
    """Somebody else wrote the state of the run meanwhile."""

    code = "FLOE-RUN-006"
    title = "The state of a run was changed by another worker"
