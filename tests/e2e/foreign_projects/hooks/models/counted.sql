{{ config(pre_hook="insert into told values ('before counted')", post_hook=["insert into told values ('after counted')", "create index if not exists by_n on {{ this }} (n)"]) }}
select 1 as n
