select item, price * {{ var('tax', 2) }} as price from {{ ref('prices') }}
