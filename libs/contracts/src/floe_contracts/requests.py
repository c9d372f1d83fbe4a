"""What may be asked of a service, and how it says that it cannot be done.

A request is a question of somebody who waits for the answer, over the bus and stored nowhere; what must happen even if
nobody waits is an event. What a service can be asked is data: `Operation`. The parts of an answer, and how they
travel, are in `floe_chassis.requests`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from pydantic import Field, ValidationError

from floe_contracts import subjects
from floe_contracts.data import Data, FirstMajor
from floe_contracts.errors import ContractError, FloeError, Permanent
from floe_contracts.events import Problem


class Request(Data):
    """What somebody asks. Tenant and environment stand in the subject, where the bus can grant them."""

    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")


class Answer(Data):
    """What a service answers."""

    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")


RequestT = TypeVar("RequestT", bound=Request)
AnswerT = TypeVar("AnswerT", bound=Answer)


@dataclass(frozen=True, slots=True)
class Operation(Generic[RequestT, AnswerT]):
    """Something that a service can be asked.

    Attributes:
        service: the service that answers.
        name: of the operation: a token of the subject.
        request: what is asked.
        answer: what it answers in the end.
    """

    service: str
    name: str
    request: type[RequestT]
    answer: type[AnswerT]

    def subject(self, tenant: str, environment: str) -> str:
        """Where it is asked."""
        return str(subjects.RequestSubject(self.service, self.name, tenant, environment))

    def read(self, document: object) -> RequestT:
        """The request that a document holds.

        A reader of events ignores fields that it does not know. Here that could do what nobody asked for: a service
        that has never heard of `dry_run` must not delete.

        Raises:
            ContractError: it is none, or asks for something that this version does not know.
        """
        try:
            return self.request.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the request"
            newer = first["type"] == "extra_forbidden"
            raise ContractError(
                f"{self.service} {self.name}: {place}: {first['msg']}",
                hint=f"the {self.service} service may be older than whoever asks it" if newer else None,
            ) from error


class RequestProblem(Problem):
    """Why a request was not fulfilled."""

    transient: bool = Field(description="Whether the same request may be fulfilled later.")

    @classmethod
    def of(cls, error: FloeError) -> Self:
        """The problem that `error` tells of."""
        return cls(**Problem.of(error).model_dump(), transient=not isinstance(error, Permanent))
