"""Which functions hide what they are given, which only count it, and which look at one value of many."""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from floe_lineage.core.columns.model import AGGREGATION, TRANSFORMATION
from floe_lineage.core.columns.uses import Use

# Without underscores and in lower case; sqlglot's own names of functions stand beside those of the warehouses.
_HASHES: Final = frozenset(
    """
    md5 md5digest md5hex md5binary md5number md5numberlower64 md5numberupper64 sha sha1 sha1hex sha1binary sha1digest
    sha2 sha2hex sha2binary sha2digest sha224 sha256 sha384 sha512 funcsha1 hash standardhash hashbytes hashvalues
    digest hmac crc32 checksum farmfingerprint farmfingerprint64 farmhash64 fnvhash xxhash xxhash32 xxhash64
    murmurhash murmurhash3 cityhash64 siphash64 crypt mask maskinner maskouter maskfirstn masklastn maskshowfirstn
    maskshowlastn
    """.split()  # noqa: SIM905 -- one word a line would be a page of them
)
_COUNTS: Final = frozenset(
    """
    count countif countdistinct approxdistinct approxcountdistinct hll hllcount hashagg regrcount bitmapcount
    checksumagg
    """.split()  # noqa: SIM905 -- one word a line would be a page of them
)
_OF_ONE_ROW: Final = (
    exp.FirstValue, exp.LastValue, exp.NthValue, exp.Lag, exp.Lead,
    exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile,
)  # fmt: skip
# Aggregates that sqlglot does not know as functions of their own.
_AGGREGATES: Final = frozenset(
    """
    list histogram product geomean favg fsum kahansum entropy mad bitand bitor bitxor booland boolor every argminnull
    argmaxnull maxby minby sumif avgif stringagg collectlist collectset bitmapagg jsonagg jsonbagg jsongroupobject
    percentile percentileapprox approxpercentile
    """.split()  # noqa: SIM905 -- one word a line would be a page of them
)


def use_in(function: exp.Expr) -> Use:
    """How a function, or an operator, uses what it is given."""
    name = _name(function)
    if name in _COUNTS:
        return Use(AGGREGATION, masking=True)
    aggregates = isinstance(function, exp.AggFunc) and not isinstance(function, _OF_ONE_ROW)
    if aggregates or (name in _AGGREGATES and isinstance(function, exp.Anonymous)):
        return Use(AGGREGATION)
    return Use(TRANSFORMATION, masking=name in _HASHES)


def is_aggregate(function: exp.Expr) -> bool:
    """Whether it makes one value of many rows."""
    return use_in(function).subtype == AGGREGATION


def _name(function: exp.Expr) -> str:
    if isinstance(function, (exp.Anonymous, exp.AnonymousAggFunc)):
        return function.name.rpartition(".")[2].replace("_", "").lower()
    return function.key
