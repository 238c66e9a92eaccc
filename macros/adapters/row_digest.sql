{#- A 60-bit integer made from columns; summed over rows it is a digest that does not depend on their order. -#}
{% macro row_digest(columns) %}
    {{ return(adapter.dispatch('row_digest', 'purchasing_power')(columns)) }}
{% endmacro %}

{% macro default__row_digest(columns) %}
    {{ purchasing_power.unsupported('digest of a row') }}
{% endmacro %}

{% macro duckdb__row_digest(columns) %}
    {%- set texts = [] -%}
    {%- for column in columns -%}
        {%- do texts.append("coalesce(cast(" ~ column ~ " as varchar), '')") -%}
    {%- endfor -%}
    {{ return("cast(('0x' || left(md5(concat_ws('|', " ~ texts | join(', ') ~ ')), 15)) as bigint)') }}
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
