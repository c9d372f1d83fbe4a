with base as (select * from {{ ref('middle') }})
select * from base join {{ ref('base') }} using (rest)
