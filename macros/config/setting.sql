{#- The value of var `purchasing_power__<name>`, or its default. The one way in which the package reads vars. -#}
{% macro setting(name) %}
    {% set value = var('purchasing_power__' ~ name, purchasing_power.default_vars()[name]) %}
    {{ purchasing_power.check_shape(name, value) }}
    {{ return(value) }}
{% endmacro %}
