{#- How many columns one select may aggregate; none: any number. -#}
{% macro aggregates_at_once() %}
    {{ return(adapter.dispatch('aggregates_at_once', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__aggregates_at_once() %}
    {{ return(none) }}
{% endmacro %}

{#- Beyond some tens it generates no code, and Spark 4 sends each task a plan that fills gigabytes once it is unpacked. -#}
{% macro spark__aggregates_at_once() %}
    {{ return(16) }}
{% endmacro %}
