"""Computes of platform.yaml: what each warehouse needs, and what the artifact says of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from floe_contracts.compiled_computes import compiled_compute
from floe_contracts.documents.reading import read_platform_spec
from floe_contracts.errors import DocumentInvalid
from floe_contracts.placeholders import PLACEHOLDER_PREFIX, placeholder
from floe_contracts.platform_spec import DEFAULT_PLATFORM, PlatformSpec
from floe_contracts.sections import PROFILE_PATTERN

SECRET = "{secretRef: key}"
USER = "user: me"
PASSWORD = f"{{mode: password, {USER}, password: {SECRET}}}"

COMPLETE = {
    "snowflake": f"account: a, database: d, schema: s, credentials: {PASSWORD}",
    "bigquery": "project: p, dataset: d, credentials: {mode: oauth}",
    "redshift": f"host: h, database: d, schema: s, credentials: {PASSWORD}",
    "databricks": f"host: h, httpPath: p, schema: s, credentials: {{mode: token, token: {SECRET}}}",
    "postgres": f"host: h, user: me, password: {SECRET}, database: d, schema: s",
    "spark": "schema: s, connection: {mode: thrift, host: h}",
}
"""The least that each warehouse needs."""


def platform(compute: str, name: str = "wh") -> str:
    return DEFAULT_PLATFORM.replace("  duckdb: {type: duckdb}\n", f"  duckdb: {{type: duckdb}}\n  {name}: {compute}\n")


def read(compute: str, name: str = "wh") -> Any:
    return read_platform_spec(platform(compute, name)).compute[name]


def problems(compute: str) -> list[str]:
    with pytest.raises(DocumentInvalid) as refused:
        read(compute)
    return [problem.message for problem in refused.value.problems]


@pytest.mark.parametrize("type_", COMPLETE)
def test_the_least_that_a_warehouse_needs(type_: str) -> None:
    assert read(f"{{type: {type_}, {COMPLETE[type_]}}}").threads == 4


@pytest.mark.parametrize(
    ("type_", "field"),
    [
        *(("snowflake", field) for field in ("account", "database", "schema", "credentials")),
        *(("bigquery", field) for field in ("project", "dataset", "credentials")),
        *(("redshift", field) for field in ("host", "database", "schema", "credentials")),
        *(("databricks", field) for field in ("host", "httpPath", "schema", "credentials")),
        *(("postgres", field) for field in ("host", "user", "password", "database", "schema")),
        *(("spark", field) for field in ("schema", "connection")),
    ],
)
def test_a_required_field_is_missed(type_: str, field: str) -> None:
    rest = re.sub(rf"(?<!\w){field}: (\{{.*\}}|\w+)(, |$)", "", COMPLETE[type_], count=1).removesuffix(", ")
    assert problems(f"{{type: {type_}, {rest}}}") == [f"the field {field!r} is missing"]


SNOWFLAKE = "{{type: snowflake, account: a, database: d, schema: s, credentials: {{{0}}}}}"
REDSHIFT = "{{type: redshift, host: h, database: d, schema: s, credentials: {{{0}}}}}"
BIGQUERY = "{{type: bigquery, project: p, dataset: d, credentials: {{{0}}}}}"
DATABRICKS = "{{type: databricks, host: h, httpPath: p, schema: s, credentials: {{{0}}}}}"
SPARK = "{{type: spark, schema: s, connection: {{{0}}}}}"


@pytest.mark.parametrize(
    ("form", "written", "told"),
    [
        (SNOWFLAKE, "user: me", "the field 'mode' is missing"),
        (SNOWFLAKE, "mode: keypair", "'keypair' is no mode here"),
        (SNOWFLAKE, f"mode: password, password: {SECRET}", "the field 'user' is missing"),
        (SNOWFLAKE, f"mode: key_pair, privateKey: {SECRET}", "the field 'user' is missing"),
        (SNOWFLAKE, "mode: key_pair, user: me", "needs privateKey or privateKeyPath, and not both"),
        (
            SNOWFLAKE,
            f"mode: key_pair, user: me, privateKey: {SECRET}, privateKeyPath: /k",
            "needs privateKey or privateKeyPath, and not both",
        ),
        (SNOWFLAKE, "mode: oauth", "the field 'token' is missing"),
        (SNOWFLAKE, f"mode: oauth, token: {SECRET}, clientId: c", "clientId and clientSecret go together"),
        (REDSHIFT, "mode: iam, user: me", "needs clusterId or workgroup, and not both"),
        (REDSHIFT, "mode: iam_role, clusterId: c, workgroup: w", "needs clusterId or workgroup, and not both"),
        (REDSHIFT, "mode: iam, clusterId: c", "the field 'user' is missing"),
        (
            REDSHIFT,
            f"mode: iam, user: me, clusterId: c, accessKeyId: {SECRET}",
            "accessKeyId and secretAccessKey go together",
        ),
        (BIGQUERY, "mode: service_account", "the field 'keyfile' is missing"),
        (BIGQUERY, "mode: service_account_json, clientEmail: e", "the field 'privateKey' is missing"),
        (DATABRICKS, "mode: token", "the field 'token' is missing"),
        (DATABRICKS, "mode: oauth, clientId: c", "the field 'clientSecret' is missing"),
        (SPARK, "mode: thrift", "the field 'host' is missing"),
        (SPARK, "mode: thrift, host: h, auth: LDAP", "auth LDAP needs user and password"),
        (SPARK, f"mode: thrift, host: h, user: me, password: {SECRET}", "a password needs auth LDAP or CUSTOM"),
        (SPARK, "mode: thrift, host: h, auth: KERBEROS", "auth KERBEROS and kerberosServiceName go together"),
        (SPARK, "mode: http, host: h, cluster: c", "the field 'token' is missing"),
        (SPARK, "mode: odbc, host: h, driver: d", "needs cluster, endpoint or connectionStringSuffix"),
        (SPARK, "mode: odbc, host: h, driver: d, cluster: c", "a cluster or an endpoint needs a token"),
        (
            SPARK,
            f"mode: odbc, host: h, driver: d, cluster: c, endpoint: e, token: {SECRET}",
            "cluster and endpoint exclude each other",
        ),
        (SPARK, "mode: session, host: h", "'host' is not a field here"),
    ],
)
def test_what_one_way_in_needs(form: str, written: str, told: str) -> None:
    assert problems(form.format(written)) == [told]


@pytest.mark.parametrize(
    "compute",
    [
        SNOWFLAKE.format("mode: password, user: me, password: hunter2"),
        "{type: postgres, host: h, user: me, password: hunter2, database: d, schema: s}",
        DATABRICKS.format("mode: token, token: hunter2"),
        SNOWFLAKE.format("mode: key_pair, user: me, privateKey: hunter2"),
        "{type: bigquery, project: p, dataset: d, credentials: {mode: service_account_json, privateKey: hunter2}}",
    ],
)
def test_a_secret_that_was_written_is_refused_and_not_repeated(compute: str) -> None:
    assert not any("hunter2" in told for told in problems(compute))
    with pytest.raises(ValidationError) as refused:
        PlatformSpec.model_validate(yaml.safe_load(platform(compute)))
    told = [error["msg"] for error in refused.value.errors() if error["loc"][-1] != "clientEmail"]
    assert told == ["Value error, a secret is named, not written: put {secretRef: NAME} here"]


def test_a_problem_of_a_whole_section_has_its_place() -> None:
    with pytest.raises(DocumentInvalid) as refused:
        read(SNOWFLAKE.format("mode: key_pair, user: me"))
    (problem,) = refused.value.problems
    assert problem.where is not None
    assert problem.where.path == "compute.wh.credentials"


def test_the_artifact_names_secrets_by_their_variables() -> None:
    keys = f"mode: key_pair, user: {{secretRef: sf-user}}, privateKey: {SECRET}"
    compute = compiled_compute("prod-wh", read(SNOWFLAKE.format(keys), "prod-wh"))
    assert compute.secrets == {
        "DBT_ENV_SECRET_FLOE_PROD_WH__PRIVATE_KEY": "key",
        "DBT_ENV_SECRET_FLOE_PROD_WH__USER": "sf-user",
    }
    assert (compute.name, compute.type, compute.threads) == ("prod-wh", "snowflake", 4)
    assert compute.properties["credentials"] == {"mode": "key_pair"}
    assert compute.properties["schema_name"] == "s"


def test_duckdb_says_its_memory() -> None:
    compute = compiled_compute("small", read("{type: duckdb, threads: 1}", "small"))
    assert compute.model_dump() == {
        "name": "small",
        "type": "duckdb",
        "threads": 1,
        "memory_limit": "1GB",
        "properties": {"memory_limit": "1GB"},
        "secrets": {},
    }


NAMES = st.from_regex(PROFILE_PATTERN, fullmatch=True).filter(lambda name: not name.endswith("\n"))
FIELDS = st.sampled_from(["password", "user", "credentials.private_key", "credentials.key", "connection.token"])


@given(st.tuples(NAMES, FIELDS), st.tuples(NAMES, FIELDS))
def test_two_computes_never_share_a_variable(one: tuple[str, str], other: tuple[str, str]) -> None:
    first, second = placeholder(*one), placeholder(*other)
    assert re.fullmatch(PLACEHOLDER_PREFIX + "[A-Z0-9_]+", first)
    assert (first == second) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a-b", "key"), ("a_b", "key")),
        (("wh", "key"), ("WH", "key")),
        (("wh", "private_key"), ("wh-private", "key")),
        (("wh", "private_key"), ("wh_private", "key")),
        (("a--b", "key"), ("a-b", "key")),
    ],
)
def test_names_that_look_alike_in_upper_case(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert placeholder(*one) != placeholder(*other)
