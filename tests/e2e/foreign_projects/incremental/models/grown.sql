select count(*) as n, max(value) as last from {{ ref('appended') }}
