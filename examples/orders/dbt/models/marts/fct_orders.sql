select
    orders.order_id,
    orders.customer_id,
    orders.brand,
    orders.ordered_at,
    orders.order_date,
    orders.status,
    orders.channel,
    row_number() over (partition by orders.customer_id order by orders.ordered_at, orders.order_id) = 1
        as is_first_order,
    totals.lines,
    totals.items,
    totals.items_amount,
    totals.discount_amount,
    orders.shipping_fee,
    orders.order_total,
    payments.payment_method,
    payments.card_last_four,
    payments.paid_amount,
    payments.refunded_amount,
    {{ money('payments.paid_amount - payments.refunded_amount') }} as net_amount
from {{ ref('stg_orders') }} as orders
join {{ ref('int_order_totals') }} as totals using (order_id)
join {{ ref('int_payments_by_order') }} as payments using (order_id)
order by orders.order_id
