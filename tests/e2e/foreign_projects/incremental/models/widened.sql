{{ config(materialized='incremental', unique_key='id', on_schema_change='append_new_columns') }}
select *{% if is_incremental() %}, upper(value) as shouted{% endif %} from {{ ref('events') }}
