"""What the probes of a service answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

Check = Callable[[], Awaitable[object]]

OK: Final = "ok"
_TIMEOUT: Final = 2.0


async def run_checks(checks: Mapping[str, Check]) -> dict[str, str]:
    """Run all checks at once; each one's name -> `ok` or what is missing, in a sentence.

    A check fails by raising, by returning False, or by taking longer than two seconds.
    """
    results = await asyncio.gather(*(_run(check) for check in checks.values()))
    return dict(zip(checks, results, strict=True))


async def _run(check: Check) -> str:
    try:
        result = await asyncio.wait_for(check(), _TIMEOUT)
    except TimeoutError:
        return f"no answer within {_TIMEOUT:g} s"
    except Exception as error:  # noqa: BLE001 - a probe tells what is wrong, it does not fail itself
        return str(error) or type(error).__name__
    return "the check failed" if result is False else OK
