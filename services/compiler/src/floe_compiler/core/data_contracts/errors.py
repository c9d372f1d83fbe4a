"""What is wrong with a data contract, or with the project that has signed it."""

from __future__ import annotations

from floe_contracts.errors import Permanent


class ContractFieldInvalid(Permanent):
    """A field that the standard does not know, that it demands, or that has another sort of value."""

    code = "FLOE-CTR-001"
    title = "A field of a data contract is not valid"


class ContractStandardUnknown(Permanent):
    """Not a data contract, or one of a version of the standard that floe does not read."""

    code = "FLOE-CTR-002"
    title = "A data contract is of an unknown kind or version of the standard"


class ContractNameTwice(Permanent):
    """Two tables of a contract, two fields of a table or two contracts of a product have one name."""

    code = "FLOE-CTR-003"
    title = "A name stands twice in the data contracts of a product"


class ContractFileMissing(Permanent):
    """An output port names a contract that is not among the product's files."""

    code = "FLOE-CTR-004"
    title = "A data contract that floe.yaml names is not there"


class ContractModelMissing(Permanent):
    """A contract promises a table that the dbt project does not build."""

    code = "FLOE-CTR-010"
    title = "A data contract promises a table that the project does not build"


class ContractColumnMissing(Permanent):
    """A contract promises a column that the model does not document."""

    code = "FLOE-CTR-011"
    title = "A data contract promises a column that the model does not document"


class ContractTypeMismatch(Permanent):
    """A contract and the dbt project give a column different types."""

    code = "FLOE-CTR-012"
    title = "A data contract and the model differ on a column's type"


class ContractRequiredUntested(Permanent):
    """A contract promises that a column is never null, and nothing in the dbt project sees to it."""

    code = "FLOE-CTR-013"
    title = "A column that a data contract requires may be null"


class ContractUniqueUntested(Permanent):
    """A contract promises unique values or a primary key, and nothing in the dbt project sees to it."""

    code = "FLOE-CTR-014"
    title = "A column that a data contract calls unique may hold a value twice"


class ContractClassificationMismatch(Permanent):
    """A contract and `meta.floe` of the dbt project classify a column differently."""

    code = "FLOE-CTR-015"
    title = "A data contract and the model classify a column differently"


class ContractVersionTooSmall(Permanent):
    """A contract has changed by more than its new version says."""

    code = "FLOE-CTR-020"
    title = "The version of a data contract does not say how much has changed"
