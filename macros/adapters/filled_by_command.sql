{#-
    The body of a model that dbt makes empty, once, and `purchasing-power score` fills: where an engine's dbt adapter has no
    Python models. `columns` are names and types.
-#}
{% macro filled_by_command(columns) %}
{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false, on_schema_change='sync_all_columns') }}
select
    {% for name, type in columns.items() -%}
    cast(null as {{ type }}) as {{ name }}{{ ',' if not loop.last }}
    {% endfor %}
where 1 = 0
{% endmacro %}
