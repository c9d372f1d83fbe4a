"""What the compiler remembers of repositories: the products of each ref as last compiled, and who owns a name."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from floe_contracts.data import Data
from floe_contracts.subjects import escape

VERSION: Final = "1.0"


class CompiledProduct(Data):
    """A product of a ref, as it was when it was last compiled."""

    folder: str = Field(description="Folder of its floe.yaml; empty for the repository's top.")
    product: str = Field(description="Name of the product.")
    tree: str = Field(description="Object id of the folder: another one as soon as anything in it differs.")
    platform: str | None = Field(description="Digest of the platform of the installation, if it has its own.")
    files: dict[str, str] = Field(description="Files outside of the folder that it depends on, and their object ids.")
    commit: str = Field(description="The commit that it was compiled at.")
    artifact_digest: str | None = Field(description="Digest of its last artifact; None if there never was one.")
    rejected: bool = Field(description="Whether the last compilation refused it.")
    owned: bool = Field(description="Whether its name belongs to the repository.")


class RefState(Data):
    """A ref of a repository, as it was when it was last looked at."""

    version: str = VERSION
    repository: str = Field(description="Name of the repository.")
    ref: str = Field(description="Full name of the ref.")
    commit: str | None = Field(default=None, description="The commit whose products all are compiled; None at first.")
    platform: str | None = Field(default=None, description="Digest of the installation's platform at that time.")
    products: tuple[CompiledProduct, ...] = Field(default=(), description="Sorted by folder.")

    def at(self, folder: str) -> CompiledProduct | None:
        """The product of a folder."""
        return next((product for product in self.products if product.folder == folder), None)

    def with_product(self, product: CompiledProduct) -> RefState:
        """The state with a product as it is now."""
        others = [known for known in self.products if known.folder != product.folder]
        return self.model_copy(update={"products": tuple(sorted([*others, product], key=lambda item: item.folder))})


class ProductOwner(Data):
    """The repository that a product's name belongs to."""

    version: str = VERSION
    tenant: str = Field(description="Whom the product belongs to.")
    product: str = Field(description="Name of the product.")
    repository: str = Field(description="Name of the repository.")


def ref_key(tenant: str, repository: str, ref: str) -> str:
    """The key of a ref's state."""
    return ".".join(["ref", *(escape(name) for name in (tenant, repository, ref))])


def refs_pattern(tenant: str, repository: str) -> str:
    """The keys of all refs of a repository."""
    return ".".join(["ref", escape(tenant), escape(repository), "*"])


def owner_key(tenant: str, product: str) -> str:
    """The key of a product's owner."""
    return ".".join(["owner", escape(tenant), escape(product)])
