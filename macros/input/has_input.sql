{#- Whether an input relation is mapped, or, given a column, whether any of its mappings gives that column. -#}
{% macro has_input(input_name, column_name=none) %}
    {% set found = namespace(any=false) %}
    {% for entry in purchasing_power.input_mappings(input_name) %}
        {% if column_name is none or column_name in entry.get('columns', {}) %}
            {% set found.any = true %}
        {% endif %}
    {% endfor %}
    {{ return(found.any) }}
{% endmacro %}
