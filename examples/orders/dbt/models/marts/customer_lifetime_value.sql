with purchases as (
    select
        customer_id,
        count(*) as orders,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date,
        {{ money('sum(refunded_amount)') }} as refunded_amount,
        {{ money('sum(net_amount)') }} as lifetime_value
    from {{ ref('fct_orders') }}
    where status <> 'cancelled'
    group by customer_id
)

select
    customers.customer_id,
    customers.brand,
    customers.country_code,
    customers.signed_up_on,
    coalesce(purchases.orders, 0) as orders,
    purchases.first_order_date,
    purchases.last_order_date,
    {{ money('coalesce(purchases.refunded_amount, 0)') }} as refunded_amount,
    {{ money('coalesce(purchases.lifetime_value, 0)') }} as lifetime_value,
    {{ money('purchases.lifetime_value / purchases.orders') }} as average_order_amount,
    case
        when purchases.orders is null then 'never bought'
        when purchases.orders = 1 then 'bought once'
        when purchases.orders < 20 then 'returning'
        else 'regular'
    end as segment
from {{ ref('dim_customers') }} as customers
left join purchases using (customer_id)
