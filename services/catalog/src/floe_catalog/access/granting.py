"""Comparing the access to a product's tables with what it should be, and putting it right."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from floe_catalog.core.access_differences import Difference, differences
from floe_catalog.core.access_facts import Claim, Fact, Principal
from floe_catalog.core.access_names import AccessNames, Client
from floe_catalog.core.grants import wanted_access
from floe_catalog.core.polaris_servers import PolarisServer, administered
from floe_catalog.errors import NamespaceTaken
from floe_catalog.tables.products import Product
from floe_contracts.catalog_access import GrantDifference, GrantsAnswer, GrantsRequest, PrincipalCredentials
from floe_contracts.errors import FloeError
from floe_contracts.requests import RequestProblem
from floe_lakehouse.identifiers import dotted


class AccessControl(Protocol):
    """Who may do what in one catalog. Everything may be called again after any failure."""

    def find(self, names: AccessNames, wanted: Collection[Fact]) -> frozenset[Fact]:
        """What there is of the access of a product, and of `wanted`."""
        ...

    def put_right(self, difference: Difference) -> tuple[str, str] | None:
        """Make what is missing, or take away what is too much; tells client id and secret of a new principal."""
        ...

    def renew(self, principal: str) -> tuple[str, str]:
        """Give a principal a new secret; tells client id and secret."""
        ...


@dataclass(frozen=True, slots=True)
class Administration:
    """What the service may administer.

    Attributes:
        server: whose administrator it is; None: it administers nothing.
        secrets: tells a tenant's secrets.
        open: logs in at a server, for one of its catalogs.
    """

    server: PolarisServer | None
    secrets: Callable[[str], Callable[[str], str]]
    open: Callable[[PolarisServer, str], AccessControl]


def grants(request: GrantsRequest, product: Product, administration: Administration) -> GrantsAnswer:
    """Tell how the access to a product's tables differs from what it should be, and put it right if that is asked.

    Blocks. What stops a repair in the middle is told in the answer, beside the secrets that there are by then and that
    nobody could be told again; asking again goes on from there.

    Raises:
        AccessUnsupported: the environment's catalog is not one of Polaris.
        AccessNotAdministered: the service does not administer its server.
        NamespaceTaken: a namespace of the product's tables belongs to another product.
        CatalogUnreachable: Polaris does not answer.
        AccessRefused: it refuses.
        AccessUnreadable: its answer is not understood.
        FloeError: a secret that platform.yaml names cannot be resolved.
    """
    place, environment = product.place, product.environment
    server = administered(administration.server, environment, administration.secrets(place.tenant))
    warehouse = str(environment.catalog.properties["warehouse"])
    names = AccessNames(place, environment.catalog.name)
    wanted = wanted_access(names, product.artifact, environment, product.tables.values())
    access = administration.open(server, warehouse)
    found = access.find(names, wanted)
    _check_claims(wanted, found)
    differing = differences(names, wanted, found)
    repair = Repair(names)
    if request.apply:
        repair.run(access, differing, [Client(name) for name in request.new_secrets])
    return GrantsAnswer(
        product=place.product,
        environment=place.environment,
        catalog=environment.catalog.name,
        warehouse=warehouse,
        wanted=tuple(sorted(map(str, wanted))),
        differences=tuple(
            GrantDifference(kind=each.kind, what=str(each.fact), applied=each in repair.done) for each in differing
        ),
        credentials=tuple(repair.credentials),
        problem=repair.problem,
    )


class Repair:
    """One repair, and how far it came.

    Attributes:
        done: what is put right.
        credentials: what nobody will be told again.
        problem: what stopped it.
    """

    def __init__(self, names: AccessNames) -> None:
        self._names = names
        self.done: list[Difference] = []
        self.credentials: list[PrincipalCredentials] = []
        self.problem: RequestProblem | None = None

    def run(self, access: AccessControl, differing: Sequence[Difference], renewed: Sequence[Client]) -> None:
        """Put right what differs, and renew secrets; it stops at the first failure."""
        try:
            for difference in differing:
                made = access.put_right(difference)
                self.done.append(difference)
                if made is not None and isinstance(difference.fact, Principal):
                    self._tell(difference.fact.name, made)
            new = {each.principal for each in self.credentials}
            for principal in [name for client in renewed if (name := self._names.principal(client)) not in new]:
                self._tell(principal, access.renew(principal))
        except FloeError as error:
            self.problem = RequestProblem.of(error)

    def _tell(self, principal: str, made: tuple[str, str]) -> None:
        service = next(client for client in Client if self._names.principal(client) == principal)
        client_id, client_secret = made
        self.credentials.append(
            PrincipalCredentials(service=service, principal=principal, client_id=client_id, client_secret=client_secret)
        )


def _check_claims(wanted: Collection[Fact], found: Collection[Fact]) -> None:
    claimed = {fact.levels: fact for fact in found if isinstance(fact, Claim)}
    for fact in sorted(fact for fact in wanted if isinstance(fact, Claim)):
        other = claimed.get(fact.levels, fact)
        if other != fact:
            raise NamespaceTaken(
                f"the namespace {dotted(fact.levels)} belongs to {other.product} of {other.tenant} in "
                f"{other.environment}, and tables of {fact.product} stand in it too",
                hint="give the product schemas of its own, or take the floe properties off the namespace",
            )
