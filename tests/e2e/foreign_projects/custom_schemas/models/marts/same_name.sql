{{ config(alias='sum_of_all') }}
select 1 as one
