{#- An array of the named columns of an alias, each as text: what json_object() makes a JSON object of. -#}
{% macro text_array(columns, alias) %}
    {{ return(adapter.dispatch('text_array', 'purchasing_power')(columns, alias)) }}
{% endmacro %}

{% macro default__text_array(columns, alias) %}
    {{ purchasing_power.unsupported('arrays of texts') }}
{% endmacro %}

{% macro duckdb__text_array(columns, alias) %}
    {%- set texts = [] -%}
    {%- for column in columns -%}
        {%- do texts.append('cast(' ~ alias ~ '.' ~ column ~ ' as varchar)') -%}
    {%- endfor -%}
    {{ return('[' ~ texts | join(', ') ~ ']') }}
{% endmacro %}

{% macro postgres__text_array(columns, alias) %}
    {%- set texts = [] -%}
    {%- for column in columns -%}
        {%- do texts.append('cast(' ~ alias ~ '.' ~ column ~ ' as text)') -%}
    {%- endfor -%}
    {{ return('jsonb_build_array(' ~ texts | join(', ') ~ ')') }}
{% endmacro %}

{% macro spark__text_array(columns, alias) %}
    {%- set texts = [] -%}
    {%- for column in columns -%}
        {%- do texts.append('cast(' ~ alias ~ '.' ~ column ~ ' as string)') -%}
    {%- endfor -%}
    {{ return('array(' ~ texts | join(', ') ~ ')') }}
{% endmacro %}


{#- A JSON object, as text, of names and the array of their texts: NaN and infinity have no JSON number. -#}
{% macro json_object(names, texts) %}
    {{ return(adapter.dispatch('json_object', 'purchasing_power')(names, texts)) }}
{% endmacro %}

{% macro default__json_object(names, texts) %}
    {{ purchasing_power.unsupported('JSON objects') }}
{% endmacro %}

{% macro duckdb__json_object(names, texts) %}
    {%- set pairs = [] -%}
    {%- for name in names -%}
        {%- do pairs.append("'" ~ name ~ "', " ~ texts ~ '[' ~ loop.index ~ ']') -%}
    {%- endfor -%}
    {{ return('cast(json_object(' ~ pairs | join(', ') ~ ') as varchar)') }}
{% endmacro %}

{% macro postgres__json_object(names, texts) %}
    {%- set pairs = [] -%}
    {%- for name in names -%}
        {%- do pairs.append("'" ~ name ~ "', " ~ texts ~ ' ->> ' ~ loop.index0) -%}
    {%- endfor -%}
    {{ return('cast(json_build_object(' ~ pairs | join(', ') ~ ') as text)') }}
{% endmacro %}

{% macro spark__json_object(names, texts) %}
    {%- set pairs = [] -%}
    {%- for name in names -%}
        {%- do pairs.append("'" ~ name ~ "', " ~ texts ~ '[' ~ loop.index0 ~ ']') -%}
    {%- endfor -%}
    {{ return('to_json(named_struct(' ~ pairs | join(', ') ~ "), map('ignoreNullFields', 'false'))") }}
{% endmacro %}
