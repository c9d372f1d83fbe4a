"""What can go wrong in the command itself."""

from __future__ import annotations

from collections.abc import Sequence

from floe_contracts.errors import Permanent, Transient, WrongUsage
from floe_contracts.events import Problem


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


class CubeAbsent(Transient):
    """No Cube asks for the bundle that it is to serve."""

    code = "FLOE-CLI-006"
    title = "No Cube asks for its bundle"


class CubeUndecided(Transient):
    """A Cube runs, but has not said in time whether it serves what it was offered."""

    code = "FLOE-CLI-007"
    title = "Cube has not answered with a bundle in time"


class DraftRefused(Permanent):
    """What stands in a folder cannot be compiled, or not be rendered for Cube.

    Args:
        problems: why.
    """

    code = "FLOE-CLI-008"
    title = "What stands in a folder cannot be rendered for Cube"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


class CubeFailed(Transient):
    """Cube did not come up beside the stack."""

    code = "FLOE-CLI-009"
    title = "Cube did not start"


class UiFailed(Transient):
    """Dagster's UI did not come up beside the stack."""

    code = "FLOE-RUN-032"
    title = "Dagster's UI did not start"
