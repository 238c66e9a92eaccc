{#- What the last complete run read of each user, or none on a first run or a full refresh. -#}
{% macro known_consumed_inputs() %}
    {%- set consumed = purchasing_power.built_before('int_purchasing_power__consumed_inputs') -%}
    {%- if consumed is not none %}
    select * from {{ consumed }}
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as user_id,
        cast(null as decimal(38, 0)) as digest,
        cast(null as {{ dbt.type_timestamp() }}) as newest_at,
        cast(null as date) as as_of_date,
        cast(null as {{ dbt.type_string() }}) as rules_version,
        cast(null as {{ dbt.type_string() }}) as cleaning_version,
        cast(null as {{ dbt.type_string() }}) as inputs_version,
        cast(null as {{ dbt.type_string() }}) as run_stamp
    where 1 = 0
    {%- endif %}
{% endmacro %}
