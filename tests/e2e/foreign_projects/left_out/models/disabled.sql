{{ config(enabled=false) }}
select no_such_thing
