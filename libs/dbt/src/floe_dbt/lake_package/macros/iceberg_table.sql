{#
  A table of an attached Iceberg catalog, rebuilt as a whole: DuckDB can neither rename nor replace a table there. The
  rows go and come in one transaction, which is one commit of the catalog, so no reader sees the table empty.
#}
{% materialization iceberg_table, adapter='duckdb', supported_languages=['sql'] %}
  {%- set target = this.incorporate(type='table') -%}
  {%- set existing = load_cached_relation(this) -%}
  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}
  {%- if existing is none -%}
    {%- call statement('main') -%} create table {{ target }} as ({{ sql }}) {%- endcall -%}
  {%- else -%}
    {%- do floe_lake.evolve_columns(target, existing, sql) -%}
    {%- do run_query('delete from ' ~ target) -%}
    {%- call statement('main') -%} insert into {{ target }} by name ({{ sql }}) {%- endcall -%}
  {%- endif -%}
  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {%- do persist_docs(target, model) -%}
  {{ adapter.commit() }}
  {{ run_hooks(post_hooks, inside_transaction=False) }}
  {{ return({'relations': [target]}) }}
{% endmaterialization %}

{# New columns are added; those that are gone are dropped. A type that Iceberg cannot widen is DuckDB's error. #}
{% macro evolve_columns(target, existing, sql) %}
  {%- set wanted = get_column_schema_from_query(sql) -%}
  {%- set held = adapter.get_columns_in_relation(existing) -%}
  {%- set held_names = held | map(attribute='name') | map('lower') | list -%}
  {%- set wanted_names = wanted | map(attribute='name') | map('lower') | list -%}
  {%- for column in wanted if column.name | lower not in held_names -%}
    {%- do run_query('alter table ' ~ target ~ ' add column ' ~ adapter.quote(column.name) ~ ' ' ~ column.dtype) -%}
  {%- endfor -%}
  {%- for column in held if column.name | lower not in wanted_names -%}
    {%- do run_query('alter table ' ~ target ~ ' drop column ' ~ adapter.quote(column.name)) -%}
  {%- endfor -%}
{% endmacro %}
