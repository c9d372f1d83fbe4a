select count(*) as n, sum(doubled) as doubled from {{ ref('in_python') }}
