{#- Makes every session of the run read times without a zone as UTC. -#}
{% macro use_utc() %}
    {{ return(adapter.dispatch('use_utc', 'purchasing_power')() if purchasing_power.is_selected() else '') }}
{% endmacro %}

{% macro default__use_utc() %}
    {{ return("set time zone 'UTC'") }}
{% endmacro %}

{#- No hook reaches the sessions of all threads, so no SQL for it depends on their zone. -#}
{% macro postgres__use_utc() %}
    {{ return('') }}
{% endmacro %}

{#- dbt-duckdb gives each thread a session of its own, so the setting must be global. -#}
{% macro duckdb__use_utc() %}
    {{ return("set global TimeZone = 'UTC'") }}
{% endmacro %}
