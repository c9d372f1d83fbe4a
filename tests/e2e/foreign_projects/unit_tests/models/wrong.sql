select item, price + 1 as price from {{ ref('prices') }}
