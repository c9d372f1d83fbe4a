select t.*, s.b from {{ ref('typed') }} t left join {{ ref('semicolons') }} s on s.a = t.id
