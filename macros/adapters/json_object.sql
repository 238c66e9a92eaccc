{#- A JSON object, as text, of the named columns of an alias. -#}
{% macro json_object(columns, alias) %}
    {{ return(adapter.dispatch('json_object', 'purchasing_power')(columns, alias)) }}
{% endmacro %}

{% macro default__json_object(columns, alias) %}
    {{ purchasing_power.unsupported('JSON objects') }}
{% endmacro %}

{#- NaN and infinity have no JSON number, so every value is written as text. -#}
{% macro duckdb__json_object(columns, alias) %}
    {%- set pairs = [] -%}
    {%- for column in columns -%}
        {%- do pairs.append("'" ~ column ~ "', cast(" ~ alias ~ '.' ~ column ~ ' as varchar)') -%}
    {%- endfor -%}
    {{ return('cast(json_object(' ~ pairs | join(', ') ~ ') as varchar)') }}
{% endmacro %}
