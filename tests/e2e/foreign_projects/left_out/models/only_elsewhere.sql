{{ config(enabled=(target.name == 'elsewhere')) }}
select 1
