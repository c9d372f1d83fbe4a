{{ config(materialized='ephemeral') }}
select rest, count(*) as n from {{ ref('base') }} group by rest
