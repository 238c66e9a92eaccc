{#-
    Said of a common table of a log's rows that several others read. Where the engine holds it in memory each reads it anew,
    the columns that it needs alone; where it spills to disk it is made once, because what a row is cast by costs more.
-#}
{% macro hint_for_a_log() %}
    {{ return(adapter.dispatch('hint_for_a_log', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__hint_for_a_log() %}
    {{ return('') }}
{% endmacro %}

{% macro duckdb__hint_for_a_log() %}
    {{ return('not materialized') }}
{% endmacro %}

{% macro postgres__hint_for_a_log() %}
    {{ return('materialized') }}
{% endmacro %}
