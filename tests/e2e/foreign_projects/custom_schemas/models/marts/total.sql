{{ config(alias='sum_of_all', schema='marts') }}
select sum(id) as total from {{ ref('cleaned') }}
