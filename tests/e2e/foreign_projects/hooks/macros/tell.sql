{% macro tell(what) %}insert into told values ('{{ what }}'){% endmacro %}
{% macro tell_results() %}{% if execute %}insert into told values ('{{ results | length }} results, {{ schemas | join(',') }}'){% endif %}{% endmacro %}
