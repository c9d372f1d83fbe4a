{#
  The orders without their amounts, one row each; raw_order_items and raw_orders both start from here.
  More orders as the shop grows, on weekends, before Christmas and in the evening; fewer in summer.
#}
{% macro order_headers() %}
{% set hours -%}
    [0, 1, 6, 7, 7, 8, 8, 9, 9, 9, 10, 10, 10, 11, 11, 11, 12, 12, 12, 12, 13, 13, 13, 14, 14, 15, 15, 16, 16, 17, 17,
     17, 18, 18, 18, 18, 19, 19, 19, 19, 19, 20, 20, 20, 20, 20, 20, 21, 21, 21, 21, 21, 22, 22, 22, 23]
{%- endset %}
with days as (
    select
        d as day,
        date '2024-01-01' + cast(d as integer) as order_date,
        md5_number_lower('day ' || d) as dice
    from range(731) as numbers(d)
),

weighed as (
    select
        *,
        (1000 + day)
        * ([94, 88, 95, 98, 100, 92, 82, 84, 98, 104, 138, 150])[month(order_date)]
        * ([98, 92, 94, 96, 104, 118, 124])[isodow(order_date)]
        * (95 + {{ draw('dice', 0) }} // 100) as weight
    from days
),

counted as (
    select
        day,
        order_date,
        cast((weight * 60000) // sum(weight) over () as bigint) as orders_of_day
    from weighed
),

slots as (
    select
        day,
        order_date,
        unnest(range(orders_of_day)) as slot
    from counted
),

rolled as (
    select
        *,
        md5_number_lower('order ' || day || '/' || slot) as a,
        md5_number_upper('order ' || day || '/' || slot) as b
    from slots
),

timed as (
    select
        *,
        cast(order_date as timestamp) + to_seconds(
            {{ pick(hours, draw('a', 0)) }} * 3600 + {{ draw('a', 3, digits=4) }} * 3600 // 10000
        ) as ordered_at,
        -- Anyone who had signed up by that day.
        2 + (1498 + (day * 3500) // 731) * {{ draw('a', 7, digits=6) }} // 1000000 as anyone
    from rolled
),

buyers as (
    select
        *,
        -- Three of ten orders come from regulars: every seventh customer.
        case when {{ draw('a', 13) }} < 300 then greatest(anyone - anyone % 7, 7) else anyone end as buyer
    from timed
),

numbered as (
    select
        *,
        100000 + row_number() over (order by ordered_at, slot) as order_id,
        -- Every sixth customer looks and never buys.
        case when buyer % 6 = 1 then buyer - 1 else buyer end as customer_id
    from buyers
)

select
    order_id,
    customer_id,
    order_date,
    ordered_at,
    b as dice
from numbered
{% endmacro %}

{# About 60,000 orders; `order_total` is what the shop itself charged. #}
{% macro raw_orders() %}
with headers as ({{ order_headers() }}),

item_totals as (
    select
        order_id,
        sum(quantity * unit_price - discount) as amount
    from raw.order_items
    group by order_id
),

drawn as (
    select
        *,
        {{ draw('dice', 3) }} as fate,
        cast(case when amount >= 60 then 0 when {{ draw('dice', 6) }} < 150 then 9.90 else 4.90 end as decimal(12, 2))
            as shipping_fee
    from headers
    join item_totals using (order_id)
)

select
    order_id,
    {{ brand_of_customer('customer_id') }} as brand,
    customer_id,
    ordered_at,
    case
        when fate < 35 then 'cancelled'
        when order_date >= date '2025-12-30' then 'placed'
        when order_date >= date '2025-12-26' then 'shipped'
        when fate < 80 then 'refunded'
        else 'delivered'
    end as status,
    {{ pick("['web', 'web', 'web', 'web', 'app', 'app', 'app', 'app', 'app', 'marketplace']",
            draw('dice', 9)) }} as channel,
    shipping_fee,
    cast(amount + shipping_fee as decimal(12, 2)) as order_total
from drawn
order by order_id
{% endmacro %}
