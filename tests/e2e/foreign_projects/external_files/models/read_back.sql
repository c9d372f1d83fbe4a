select count(*) as n from {{ ref('written') }}
