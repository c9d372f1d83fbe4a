select count(*) from {{ ref('kept') }}
