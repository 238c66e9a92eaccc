{#- What a window aggregates, as the context's own expressions read it. -#}
{% macro window_value(entry) %}
    {{ return(adapter.dispatch('window_value', 'purchasing_power')(entry)) }}
{% endmacro %}

{% macro default__window_value(entry) %}
    {{ return(purchasing_power.windowed_aggregate(entry)) }}
{% endmacro %}

{#- Quotients of decimals and of whole numbers are decimals here, cut off after six digits. -#}
{% macro spark__window_value(entry) %}
    {%- set value = purchasing_power.windowed_aggregate(entry) -%}
    {{ return('cast(' ~ value ~ ' as double)' if modules.re.search('\\b(sum|count)\\(', entry.sql) else value) }}
{% endmacro %}
