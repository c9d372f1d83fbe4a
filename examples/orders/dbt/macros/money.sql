{# Sums of decimals widen to 38 digits; amounts of the shop fit in 12. #}
{% macro money(expression) -%}
cast({{ expression }} as decimal(12, 2))
{%- endmacro %}
