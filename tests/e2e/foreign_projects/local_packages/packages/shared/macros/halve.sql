{% macro halve(column) %}({{ column }} / 2){% endmacro %}
