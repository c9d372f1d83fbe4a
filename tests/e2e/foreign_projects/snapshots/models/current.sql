select id, name from {{ ref('people_over_time') }} where dbt_valid_to is null
