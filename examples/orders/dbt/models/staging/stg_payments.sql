select
    payment_id,
    order_id,
    kind,
    status,
    method,
    card_last_four,
    amount,
    created_at
from {{ source('raw', 'payments') }}
