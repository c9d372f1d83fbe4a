from __future__ import annotations

from floe_contracts.events import RunOptions
from floe_contracts.run_requests import compiled_run_request_id


def test_whoever_asks_for_the_first_run_of_an_artifact_asks_by_the_same_id() -> None:
    plain = compiled_run_request_id("shop:s1", "dev")
    assert plain == "shop:s1:dev:run" == compiled_run_request_id("shop:s1", "dev", RunOptions())
    assert compiled_run_request_id("shop:s1", "prod") != plain


def test_a_run_with_options_is_another_one() -> None:
    plain = compiled_run_request_id("shop:s1", "dev")
    ids = {
        compiled_run_request_id("shop:s1", "dev", options)
        for options in (RunOptions(select=("orders+",)), RunOptions(full_refresh=True), RunOptions(vars={"a": [1]}))
    }
    assert len(ids) == 3
    assert all(one.startswith(f"{plain}:") for one in ids)
    assert compiled_run_request_id("shop:s1", "dev", RunOptions(select=("orders+",))) in ids
