select * from {{ ref('checked') }} where id < 0
