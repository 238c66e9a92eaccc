{% macro check_unless_parsing() %}
{% endmacro %}
