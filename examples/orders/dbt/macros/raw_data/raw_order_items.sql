{# One to five lines an order, of the products of its brand; a few products sell much better than the others. #}
{% macro raw_order_items() %}
with headers as ({{ order_headers() }}),

lines as (
    select
        order_id,
        {{ brand_of_customer('customer_id') }} as brand,
        unnest(range(1, {{ pick('[1, 1, 1, 2, 2, 2, 3, 3, 4, 5]', draw('dice', 0)) }} + 1)) as line_number
    from headers
),

rolled as (
    select
        *,
        md5_number_lower('item ' || order_id || '/' || line_number) as dice
    from lines
),

drawn as (
    select
        *,
        (list_position(['aurora', 'birch', 'cobalt', 'dune'], brand) - 1) * 100
        + ({{ draw('dice', 0) }} * {{ draw('dice', 0) }} // 10000) * 37 % 100 + 1 as product_id,
        {{ pick('[1, 1, 1, 1, 1, 1, 1, 2, 2, 3]', draw('dice', 3)) }} as quantity,
        {{ draw('dice', 6) }} < 90 as is_discounted
    from rolled
)

select
    order_id * 10 + line_number as order_item_id,
    order_id,
    line_number,
    product_id,
    quantity,
    list_price as unit_price,
    cast(case when is_discounted then round(quantity * list_price * 0.1, 2) else 0 end as decimal(12, 2)) as discount
from drawn
join raw.products using (product_id)
order by order_item_id
{% endmacro %}
