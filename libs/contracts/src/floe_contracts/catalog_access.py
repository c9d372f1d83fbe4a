"""Asking the catalog service who may touch a product's tables, and having it put right."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from floe_contracts.data import Data
from floe_contracts.requests import Answer, Operation, Request, RequestProblem


class GrantsRequest(Request):
    """Compare the access of a product's services with what it should be, and put it right if that is wanted."""

    product: str = Field(description="Name of the product.")
    apply: bool = Field(description="Whether to put right what differs; else it is only told.")
    new_secrets: tuple[Literal["executor", "catalog", "semantic"], ...] = Field(
        default=(), description="Services whose principals get new secrets; the old ones end. Only with `apply`."
    )


class GrantDifference(Data):
    """One thing that is not as it should be."""

    kind: Literal["missing", "extra"] = Field(description="Whether it should be there and is not, or the other way.")
    what: str = Field(description="The thing, in words.")
    applied: bool = Field(description="Whether it is put right.")


class PrincipalCredentials(Data):
    """What a service logs in with. It is told this once: the catalog itself does not tell it again."""

    service: str = Field(description="The service whose it is.")
    principal: str = Field(description="Name of the principal.")
    client_id: str = Field(description="OAuth2 client id.")
    client_secret: str = Field(description="OAuth2 client secret.", repr=False)


class GrantsAnswer(Answer):
    """How the access stands, and what was put right."""

    product: str = Field(description="Name of the product.")
    environment: str = Field(description="Name of the environment.")
    catalog: str = Field(description="Name of the catalog in platform.yaml.")
    warehouse: str = Field(description="The catalog in Polaris.")
    wanted: tuple[str, ...] = Field(description="Everything that should be there, in words.")
    differences: tuple[GrantDifference, ...] = Field(
        description="What was not as it should be, in the order of repair."
    )
    credentials: tuple[PrincipalCredentials, ...] = Field(
        default=(), description="Of principals that are new, or have a new secret."
    )
    problem: RequestProblem | None = Field(
        default=None, description="What stopped the repair in the middle; asking again goes on from there."
    )

    @property
    def in_sync(self) -> bool:
        """Whether the access is as it should be now."""
        return self.problem is None and all(difference.applied for difference in self.differences)


GRANTS: Final = Operation("catalog", "grants", GrantsRequest, GrantsAnswer)
