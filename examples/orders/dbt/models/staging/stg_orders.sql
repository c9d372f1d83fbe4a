select
    order_id,
    brand,
    customer_id,
    ordered_at,
    cast(ordered_at as date) as order_date,
    status,
    channel,
    shipping_fee,
    order_total
from {{ source('raw', 'orders') }}
