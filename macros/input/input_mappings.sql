{#- The mappings of one input relation as a list: empty when it is not mapped, several when it is a union. -#}
{% macro input_mappings(input_name) %}
    {% set mapped = purchasing_power.setting('inputs').get(input_name) %}
    {{ return([] if mapped is none else ([mapped] if mapped is mapping else mapped)) }}
{% endmacro %}
