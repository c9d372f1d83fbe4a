"""Data contracts as an artifact carries them: what the product promises to its readers, without the file.

Two of them can be compared field by field, so that a plan tells what breaks without looking into a repository.
"""

from __future__ import annotations

from pydantic import Field

from floe_contracts.events import Data


class ContractedQuality(Data):
    """One rule about the quality of the data."""

    name: str = Field(description="What the rule is about: its name, its metric or its type.")
    rule: str = Field(description="The whole rule as canonical JSON, without its texts.")


class ContractedField(Data):
    """A field that readers may rely on."""

    name: str = Field(description="Path in the relation: `address.city` inside an object, `lines[]` in an array.")
    type: str | None = Field(default=None, description="Logical type of the standard, as in integer.")
    physical_type: str | None = Field(default=None, description="Type in the warehouse, as in DECIMAL(10,2).")
    required: bool = Field(default=False, description="Whether it is never null.")
    unique: bool = Field(default=False, description="Whether no value comes twice.")
    classification: str | None = Field(default=None, description="What sort of data it is.")
    quality: tuple[ContractedQuality, ...] = ()


class ContractedModel(Data):
    """A table that readers may rely on."""

    name: str = Field(description="Name in the contract.")
    relation: str = Field(description="Name of the relation: the physical name, where the contract gives one.")
    fields: tuple[ContractedField, ...] = Field(description="Its fields, sorted by name; nested ones by their paths.")
    primary_key: tuple[str, ...] = Field(default=(), description="Fields that name a row, in the order of the key.")
    quality: tuple[ContractedQuality, ...] = ()


class ServiceLevel(Data):
    """One service level, as in `freshness: PT6H`."""

    property: str = Field(description="What is promised, as in availability.")
    element: str | None = Field(default=None, description="The table or field that it speaks of; None is all.")
    value: str = Field(description="The value, as written.")
    unit: str | None = Field(default=None, description="The unit of a bare number, as in d or percent.")


class CompiledDataContract(Data):
    """A data contract of a product."""

    id: str = Field(description="Id, as the contract says; the same in all of its versions.")
    name: str = Field(description="Name, or the id where the contract gives none.")
    version: str = Field(description="Semantic version of the contract.")
    status: str | None = Field(default=None, description="active, draft, deprecated, ...; as the contract says.")
    standard: str = Field(description="Version of the Open Data Contract Standard that it is written in.")
    file: str = Field(description="The file, from the product's folder.")
    digest: str = Field(description="Digest of the contract's content, whatever its layout and order of keys.")
    models: tuple[ContractedModel, ...] = Field(default=(), description="What it covers, sorted by name.")
    service_levels: tuple[ServiceLevel, ...] = Field(default=(), description="Sorted by property and element.")

    def model(self, name: str) -> ContractedModel | None:
        """The table of that name in the contract, if there is one."""
        return next((model for model in self.models if model.name == name), None)
