{#- Stops with the name of what the engine lacks; called from the `default__` of dispatched macros. -#}
{% macro unsupported(what) %}
    {{ exceptions.raise_compiler_error(
        'purchasing_power has no ' ~ what ~ ' for the adapter "' ~ target.type ~ '": run it on duckdb, postgres or spark.'
    ) }}
{% endmacro %}
