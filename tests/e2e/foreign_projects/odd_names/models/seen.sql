{{ config(materialized='view', alias='group') }}
select * from {{ ref('reserved') }}
