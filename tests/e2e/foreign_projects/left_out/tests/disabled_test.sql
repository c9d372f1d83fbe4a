{{ config(enabled=false) }}
select * from {{ ref('kept') }}
