"""The gateway's lineage of columns, asked with the caller's own token of a lineage reader."""

from __future__ import annotations

from typing import Any, Final

import httpx2
from pydantic import SecretStr

from floe_contracts.errors import ContractError
from floe_contracts.lineage_requests import ColumnAnswer
from floe_semantic.core.mcp.errors import AnswerUnusable, LineageUnavailable
from floe_semantic.mcp.bounded_http import ask_json

_COLUMN: Final = "/v1/lineage/column"
_MOST_MESSAGE: Final = 500


class LineageApi:
    """Asks one gateway.

    Args:
        client: its connections.
        url: the gateway.
        environment: whose lineage; None leaves it to the gateway.
        seconds: how long a request may take.
    """

    def __init__(self, client: httpx2.AsyncClient, url: str, environment: str | None, seconds: float) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._environment = environment
        self._seconds = seconds

    async def upstream(self, dataset: str, field: str, token: SecretStr | None) -> ColumnAnswer:
        """What a column is made of.

        Raises:
            LineageUnavailable: the gateway is away, refuses, or knows nothing of it.
        """
        parameters = {"dataset": dataset, "field": field, "direction": "upstream"}
        if self._environment:
            parameters["environment"] = self._environment
        request = self._client.build_request(
            "GET",
            self._url + _COLUMN,
            params=parameters,
            headers={"Authorization": f"Bearer {token.get_secret_value()}"} if token else {},
            timeout=self._seconds,
        )
        try:
            answer = await ask_json(self._client, request)
        except (httpx2.HTTPError, AnswerUnusable) as error:
            raise LineageUnavailable(f"the gateway at {self._url} does not answer: {error}") from error
        if answer.status != 200:
            raise LineageUnavailable(f"the gateway answers {answer.status}: {_said(answer.body)}")
        try:
            return ColumnAnswer.read(answer.body)
        except ContractError as error:
            raise LineageUnavailable(f"what {self._url} answers is no lineage") from error


def _said(body: dict[str, Any]) -> str:
    for key in ("message", "title"):
        if isinstance(body.get(key), str):
            return str(body[key])[:_MOST_MESSAGE]
    return "it does not say why"
