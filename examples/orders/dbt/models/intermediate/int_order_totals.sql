-- sum() of an integer is a HUGEINT in DuckDB, a type that Iceberg has not; floe casts it when it lands.
select
    order_id,
    count(*) as lines,
    sum(quantity) as items,
    {{ money('sum(discount)') }} as discount_amount,
    {{ money('sum(line_amount)') }} as items_amount
from {{ ref('stg_order_items') }}
group by order_id
