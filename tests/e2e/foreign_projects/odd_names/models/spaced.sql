{{ config(alias='Odd Name, with comma') }}
select 1 as "a'b", 2 as "c;d", 3 as "{braces}", 4 as "per%cent"
