{% snapshot people_over_time %}
{{ config(target_schema='history', unique_key='id', strategy='timestamp', updated_at='changed_at', hard_deletes='new_record') }}
select * from {{ ref('people') }} where id < 3
{% endsnapshot %}
