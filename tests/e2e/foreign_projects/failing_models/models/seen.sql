{{ config(materialized='view') }}
select * from {{ ref('beside') }}
