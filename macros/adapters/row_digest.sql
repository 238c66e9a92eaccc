{#- A 60-bit integer made from columns; summed over rows it is a digest that does not depend on their order. -#}
{% macro row_digest(columns) %}
    {{ return(adapter.dispatch('row_digest', 'purchasing_power')(columns)) }}
{% endmacro %}

{% macro default__row_digest(columns) %}
    {{ purchasing_power.unsupported('digest of a row') }}
{% endmacro %}

{% macro duckdb__row_digest(columns) %}
    {{ return("cast(('0x' || left(" ~ purchasing_power.row_md5(columns) ~ ', 15)) as bigint)') }}
{% endmacro %}

{% macro postgres__row_digest(columns) %}
    {{ return("cast(cast('x' || left(" ~ purchasing_power.row_md5(columns) ~ ', 15) as bit(60)) as bigint)') }}
{% endmacro %}

{#- A decimal, because a sum of integers is an integer, which many digests do not fit into. -#}
{% macro spark__row_digest(columns) %}
    {{ return('cast(conv(left(' ~ purchasing_power.row_md5(columns) ~ ', 15), 16, 10) as decimal(20, 0))') }}
{% endmacro %}


{#- The md5 of a row's columns, as text, where an engine has no better hash. -#}
{% macro row_md5(columns) %}
    {%- set texts = [] -%}
    {%- for column in columns -%}
        {%- do texts.append('coalesce(cast(' ~ column ~ ' as ' ~ dbt.type_string() ~ "), '')") -%}
    {%- endfor -%}
    {{ return("md5(concat_ws('|', " ~ texts | join(', ') ~ '))') }}
{% endmacro %}


{#-
    The same by the engine's own hash, which is faster and means nothing elsewhere: only for what one warehouse compares
    with itself. Should a later version of the engine hash otherwise, rows look changed.
-#}
{% macro row_hash(columns) %}
    {{ return(adapter.dispatch('row_hash', 'purchasing_power')(columns)) }}
{% endmacro %}

{% macro default__row_hash(columns) %}
    {{ return(purchasing_power.row_digest(columns)) }}
{% endmacro %}

{% macro duckdb__row_hash(columns) %}
    {{ return('cast(hash(' ~ columns | join(', ') ~ ') >> 4 as bigint)') }}
{% endmacro %}

{#- A literal has no type of its own, and without one no hash. -#}
{% macro postgres__row_hash(columns) %}
    {%- set typed = [] -%}
    {%- for column in columns -%}
        {%- do typed.append('cast(' ~ column ~ ' as text)' if column.startswith("'") else column) -%}
    {%- endfor -%}
    {{ return('(hash_record_extended(row(' ~ typed | join(', ') ~ '), 0) >> 4)') }}
{% endmacro %}

{#- A NULL leaves the hash of its neighbours as it is, so each column is followed by whether it has a value. -#}
{% macro spark__row_hash(columns) %}
    {%- set values = [] -%}
    {%- for column in columns -%}
        {%- do values.append(column ~ ', isnull(' ~ column ~ ')') -%}
    {%- endfor -%}
    {{ return('cast(xxhash64(' ~ values | join(', ') ~ ') as decimal(20, 0))') }}
{% endmacro %}


{#- The same of columns as the user wrote them. -#}
{% macro raw_hash(columns, alias) %}
    {{ return(adapter.dispatch('raw_hash', 'purchasing_power')(columns, alias)) }}
{% endmacro %}

{% macro default__raw_hash(columns, alias) %}
    {%- set names = [] -%}
    {%- for column in columns -%}
        {%- do names.append(alias ~ '.' ~ column) -%}
    {%- endfor -%}
    {{ return(purchasing_power.row_hash(names)) }}
{% endmacro %}

{#- Some types, such as json, have no hash; all have a text. -#}
{% macro postgres__raw_hash(columns, alias) %}
    {{ return(purchasing_power.row_hash([purchasing_power.text_array(columns, alias)])) }}
{% endmacro %}
