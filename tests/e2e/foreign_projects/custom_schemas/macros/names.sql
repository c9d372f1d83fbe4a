{% macro generate_schema_name(custom_schema_name, node) -%}
  {%- if custom_schema_name is none -%}{{ target.schema }}{%- else -%}only_{{ custom_schema_name | trim }}{%- endif -%}
{%- endmacro %}
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
  {%- if node.resource_type == 'model' and not custom_alias_name -%}m_{{ node.name }}{%- else -%}{{ custom_alias_name or node.name }}{%- endif -%}
{%- endmacro %}
