{{ config(materialized='table') }}

select
    customer_id,
    max(email) as email,
    sum(amount) as spent
from {{ ref('silver_orders') }}
group by customer_id
