{#-
    The states that the last run left, or none on a first run or a full refresh. user_states is built from what this
    feeds, so it cannot be a ref (a cycle); where it stands is read from the graph.
-#}
{% macro known_user_states() %}
    {%- set states = none -%}
    {%- if execute and not flags.FULL_REFRESH -%}
        {%- set node = graph.nodes['model.purchasing_power.purchasing_power__user_states'] -%}
        {%- set states = adapter.get_relation(node.database, node.schema, node.alias) -%}
    {%- endif -%}
    {%- if states is not none %}
    select
        user_id,
        last_step_on,
        steps_consumed,
        consumed_digest,
        state,
        model_version
    from {{ states }}
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as user_id,
        cast(null as date) as last_step_on,
        cast(null as {{ dbt.type_bigint() }}) as steps_consumed,
        cast(null as decimal(38, 0)) as consumed_digest,
        cast(null as {{ purchasing_power.type_float_array() }}) as state,
        cast(null as {{ dbt.type_string() }}) as model_version
    where 1 = 0
    {%- endif %}
{% endmacro %}
