{#-
    Said of a common table that several others read: each reads it anew, the columns that it needs alone. An engine that would
    write the whole of it down first, as for a log of a hundred million rows, runs out of memory.
-#}
{% macro inlined() %}
    {{ return(adapter.dispatch('inlined', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__inlined() %}
    {{ return('') }}
{% endmacro %}

{% macro duckdb__inlined() %}
    {{ return('not materialized') }}
{% endmacro %}

{% macro postgres__inlined() %}
    {{ return('not materialized') }}
{% endmacro %}
