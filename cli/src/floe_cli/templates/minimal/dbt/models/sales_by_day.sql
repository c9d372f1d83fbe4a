{{ config(materialized='table') }}

select
    sold_on,
    count(*) as sales,
    sum(amount) as amount
from {{ ref('raw_sales') }}
group by sold_on
