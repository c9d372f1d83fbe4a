-- Days are computed whole. A later run does the last thirty again: refunds come up to twenty days after the order.
{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='daily_revenue_id') }}

select
    brand || '-' || strftime(order_date, '%Y%m%d') as daily_revenue_id,
    brand,
    order_date,
    count(*) as orders,
    count(*) filter (status = 'cancelled') as cancelled_orders,
    sum(items) filter (status <> 'cancelled') as items,
    {{ money("coalesce(sum(order_total) filter (status <> 'cancelled'), 0)") }} as gross_amount,
    {{ money("coalesce(sum(refunded_amount) filter (status <> 'cancelled'), 0)") }} as refunded_amount,
    {{ money('sum(net_amount)') }} as net_amount
from {{ ref('fct_orders') }}
{% if is_incremental() -%}
where order_date > (select max(order_date) - 30 from {{ this }})
{% endif -%}
group by brand, order_date
order by order_date, brand
