select count(*) as n from {{ ref('checked') }}
