{#- The states that the last run left, or none on a first run or a full refresh. -#}
{% macro known_user_states() %}
    {%- set states = purchasing_power.built_before('purchasing_power__user_states') -%}
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
