{{ config(materialized='table') }}

select
    orders.order_id,
    customers.customer_id,
    customers.email,
    cast(orders.amount as decimal(18, 2)) as amount
from {{ ref('bronze_orders') }} as orders
inner join {{ ref('bronze_customers') }} as customers using (customer_id)
