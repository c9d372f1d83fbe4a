"""What can go wrong in the command itself."""

from __future__ import annotations

from floe_contracts.errors import Permanent, Transient, WrongUsage


class SubmissionGivenUp(Permanent):
    """The compiler could not handle the submission, however often it tried; it is among the dead letters."""

    code = "FLOE-CLI-002"
    title = "A submission became a dead letter"


class RunGivenUp(Permanent):
    """The executor could not take the run request, however often it tried; it is among the dead letters."""

    code = "FLOE-CLI-003"
    title = "A run request became a dead letter"


class ProfileUnresolved(Permanent):
    """A logical name of floe.yaml is none of the profiles of an environment."""

    code = "FLOE-CLI-004"
    title = "An environment has no profile of that name"


class FileUnusable(WrongUsage):
    """A file that was named cannot be written or read."""

    code = "FLOE-CLI-005"
    title = "A file cannot be written or read"


class UiFailed(Transient):
    """Dagster's UI did not come up beside the stack."""

    code = "FLOE-RUN-032"
    title = "Dagster's UI did not start"
