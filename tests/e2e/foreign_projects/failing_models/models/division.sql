select cast('x' as integer) as number from {{ ref('sound') }}
