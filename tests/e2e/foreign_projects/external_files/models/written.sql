{{ config(materialized='external', location='written.parquet') }}
select * from {{ ref('raw') }}
