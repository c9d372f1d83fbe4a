select
    order_id,
    arg_max(method, payment_id) as payment_method,
    arg_max(card_last_four, payment_id) as card_last_four,
    {{ money("coalesce(sum(amount) filter (kind = 'charge' and status = 'captured'), 0)") }} as paid_amount,
    {{ money("coalesce(sum(amount) filter (kind = 'refund' and status = 'captured'), 0)") }} as refunded_amount
from {{ ref('stg_payments') }}
group by order_id
