{{ config(alias='order') }}
select * from {{ ref('CamelCase') }}
