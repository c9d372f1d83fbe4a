"""A small model, and what else a Cube is given in these tests."""

from __future__ import annotations

from typing import Final

ORDERS: Final = """
cubes:
  - name: orders
    sql: >-
      select 1 as id, 'acme' as tenant_id, 5 as amount, 'paid' as status
      union all select 2, 'acme', 7, 'open'
      union all select 3, 'globex', 11, 'paid'
    dimensions:
      - name: id
        sql: id
        type: number
        primary_key: true
        public: true
      - name: tenant_id
        sql: tenant_id
        type: string
      - name: status
        sql: status
        type: string
    measures:
      - name: count
        type: count
      - name: total
        sql: amount
        type: sum
"""
"""Three orders of two owners."""

TOTAL: Final = {"measures": ["orders.total"]}
"""What all of them are worth: 23."""


def with_measure(name: str) -> str:
    """The same cube with one more measure."""
    return ORDERS + f"      - name: {name}\n        sql: amount\n        type: max\n"


BROKEN: Final = ORDERS.replace("type: sum", "type: no_such_type")
"""What Cube's compiler refuses."""

OWNED: Final = (
    ORDERS
    + """    access_policy:
      - group: "*"
        member_level:
          includes: "*"
        row_level:
          filters:
            - member: tenant_id
              operator: equals
              values: ["{ securityContext.tenant_id }"]
"""
)
"""The same cube, whose rows are shown to their owner."""
