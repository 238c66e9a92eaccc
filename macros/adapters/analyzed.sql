{#- Post-hook of every table: lets the engine look at what it just wrote, where it would guess for a while. -#}
{% macro analyzed() %}
    {{ return(adapter.dispatch('analyzed', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__analyzed() %}
    {{ return('') }}
{% endmacro %}

{#- The server itself looks within a minute, and joins of the same run do not wait for it. -#}
{% macro postgres__analyzed() %}
    {{ return('analyze ' ~ this if model.config.materialized in ('table', 'incremental') else '') }}
{% endmacro %}
