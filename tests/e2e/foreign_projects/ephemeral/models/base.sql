{{ config(materialized='ephemeral') }}
select i, i % 3 as rest from range(10) t(i)
