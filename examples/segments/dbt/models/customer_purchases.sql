select
    customer_id,
    count(*) as purchases,
    cast(sum(amount) as decimal(12, 2)) as spent,
    cast(date_diff('day', max(bought_on), date '2025-12-31') as integer) as days_since_last
from {{ ref('purchases') }}
group by customer_id
