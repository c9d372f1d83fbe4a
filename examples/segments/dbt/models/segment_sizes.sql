select segment, count(*) as customers, cast(sum(spent) as decimal(14, 2)) as spent
from {{ source('python', 'customer_segments') }}
group by segment
