select
    order_item_id,
    order_id,
    product_id,
    quantity,
    unit_price,
    discount,
    {{ money('quantity * unit_price - discount') }} as line_amount
from {{ source('raw', 'order_items') }}
