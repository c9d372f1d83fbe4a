{{ config(severity='warn') }}
select * from {{ ref('checked') }} where amount > 5
