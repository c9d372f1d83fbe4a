{# One captured charge for nearly every order, some failed first attempts, and refunds, a third of them in part. #}
{% macro raw_payments() %}
with rolled as (
    select
        *,
        md5_number_lower('payment ' || order_id) as dice
    from raw.orders
),

drawn as (
    select
        *,
        {{ pick("['card', 'card', 'card', 'card', 'card', 'card', 'wallet', 'wallet', 'bank_transfer', 'gift_card']",
                draw('dice', 0)) }} as method,
        lpad(cast({{ draw('dice', 3, digits=4) }} as varchar), 4, '0') as last_four,
        status = 'cancelled' and {{ draw('dice', 7) }} < 600 as never_paid,
        {{ draw('dice', 7) }} >= 970 as failed_first,
        status = 'refunded' and {{ draw('dice', 10) }} < 330 as refunded_in_part,
        to_days(cast(2 + {{ draw('dice', 13) }} * 18 // 1000 as integer)) as refunded_after
    from rolled
),

transactions as (
    select *, 1 as place, 'charge' as kind, 'failed' as outcome, order_total as amount, ordered_at as created_at
    from drawn
    where never_paid or failed_first

    union all

    select *, 2, 'charge', 'captured', order_total, ordered_at + to_minutes(3)
    from drawn
    where not never_paid

    union all

    select
        *, 3, 'refund', 'captured',
        case when refunded_in_part then cast(order_total * 0.5 as decimal(12, 2)) else order_total end,
        ordered_at + refunded_after
    from drawn
    where status = 'refunded' or (status = 'cancelled' and not never_paid)
)

select
    order_id * 10 + place as payment_id,
    order_id,
    kind,
    outcome as status,
    method,
    case when method = 'card' then last_four end as card_last_four,
    amount,
    created_at
from transactions
order by payment_id
{% endmacro %}
