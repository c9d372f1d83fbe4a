"""What can go wrong with dbt, and whether trying again helps."""

from __future__ import annotations

from floe_contracts.errors import DocumentInvalid, Permanent, Transient


class DbtUnavailable(Transient):
    """The fork server does not answer, or broke off before it told how dbt ended."""

    code = "FLOE-DBT-001"
    title = "The dbt fork server is unavailable"


class DbtBusy(Transient):
    """The fork server has as many children running and waiting as it may."""

    code = "FLOE-DBT-002"
    title = "The dbt fork server is full"


class DbtDied(Transient):
    """The dbt process was killed from outside (out of memory, kill -9) before it ended by itself."""

    code = "FLOE-DBT-003"
    title = "The dbt process died"


class DbtTimedOut(Transient):
    """dbt took longer than its caller allowed and was killed."""

    code = "FLOE-DBT-004"
    title = "dbt took too long"


class DbtProjectMissing(Permanent):
    """The folder holds no dbt project."""

    code = "FLOE-DBT-010"
    title = "There is no dbt project"


class DbtParseFailed(Permanent):
    """dbt refused the project; the message is dbt's own."""

    code = "FLOE-DBT-011"
    title = "dbt cannot parse the project"


class DbtManifestInvalid(Permanent):
    """A manifest.json that floe cannot read: no JSON, or another schema version."""

    code = "FLOE-DBT-012"
    title = "A dbt manifest cannot be read"


class DbtPathRefused(Permanent):
    """A path in dbt_project.yml that would have dbt read files from outside of the project."""

    code = "FLOE-DBT-013"
    title = "A path in dbt_project.yml leads out of its project"


class DbtMetaInvalid(DocumentInvalid):
    """The `meta.floe` entries of a project are not valid; `problems` holds all of them."""

    code = "FLOE-DBT-020"
    title = "meta.floe of a dbt project is not valid"


class DbtMetaProblem(Permanent):
    """One entry of `meta.floe` that floe does not understand."""

    code = "FLOE-DBT-021"
    title = "An entry of meta.floe is not valid"


class DbtProfileInvalid(DocumentInvalid):
    """No dbt profile can be written for a compute; `problems` holds all reasons."""

    code = "FLOE-DBT-030"
    title = "A compute cannot be turned into a dbt profile"


class DbtProfileProblem(Permanent):
    """One property of a compute that a dbt profile cannot take."""

    code = "FLOE-DBT-031"
    title = "A property of a compute is not valid"


class DbtAdapterMissing(Permanent):
    """A compute whose dbt adapter is not installed where its project is parsed or built."""

    code = "FLOE-DBT-032"
    title = "A dbt adapter is not installed"


class DbtPackagesInvalid(DocumentInvalid):
    """The packages that a project declares cannot be installed; `problems` holds all reasons."""

    code = "FLOE-DBT-040"
    title = "The packages of a dbt project are not valid"


class DbtPackageRefused(Permanent):
    """A package that floe does not install: malformed, not pinned, or from a place that it does not fetch from."""

    code = "FLOE-DBT-041"
    title = "A dbt package is refused"


class DbtLockMissing(Permanent):
    """A project declares packages, brings none along, and has no package-lock.yml that says which ones it means."""

    code = "FLOE-DBT-042"
    title = "A dbt project has packages and no package-lock.yml"


class DbtLockStale(Permanent):
    """package-lock.yml was made for other packages than the project declares."""

    code = "FLOE-DBT-043"
    title = "package-lock.yml does not match the declared packages"


class DbtHubUnreachable(Permanent):
    """The package hub, or a Git host of a package, does not answer.

    The submission is refused rather than tried again: whoever submitted waits for an answer.
    """

    code = "FLOE-DBT-044"
    title = "A place that dbt packages come from is unreachable"


class DbtPackagesFailed(Permanent):
    """`dbt deps` failed for another reason; the message is dbt's own."""

    code = "FLOE-DBT-045"
    title = "dbt cannot install the packages"


class DbtOutOfMemory(Permanent):
    """A model wanted more memory than a limit gives: that of the child, or the compute's own `memory_limit`."""

    code = "FLOE-DBT-050"
    title = "dbt ran out of memory"


class DbtWarehouseUnreachable(Transient):
    """The warehouse did not answer dbt, or broke off while nodes were built; nothing else failed."""

    code = "FLOE-DBT-046"
    title = "The warehouse of a dbt build is unreachable"
