{{ config(materialized='view', post_hook={'sql': "insert into told values ('after seen, outside')", 'transaction': false}) }}
select n from {{ ref('counted') }}
