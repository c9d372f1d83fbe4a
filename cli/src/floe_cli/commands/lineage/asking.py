"""What the commands of `floe lineage` have in common that ask the lineage service: one question."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from floe_contracts.requests import AnswerT, Operation, RequestT


def ask_once(
    path: Path, operation: Operation[RequestT, AnswerT], request: RequestT, environment: str | None = None
) -> AnswerT:
    """Ask the lineage service of a folder's stack one thing.

    Args:
        path: the folder.
        operation: what is asked.
        request: the question.
        environment: what it is about; left out, `dev`, or the only one where something is live. `ANYWHERE` for none.
    """
    import asyncio

    from floe_chassis.requests import ask
    from floe_cli.stack.service_stack import service_in

    async def main() -> AnswerT:
        async with service_in(path, "lineage", environment) as (connection, place):
            tenant = connection.settings.tenant
            return await ask(connection.bus, operation, request, tenant=tenant, environment=place)

    return asyncio.run(main())
