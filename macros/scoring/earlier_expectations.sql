{#- What was expected of everybody when they were last scored as of an earlier date than `as_of_date`; no row on a first run. -#}
{% macro earlier_expectations(as_of_date) %}
    {%- set history = purchasing_power.built_before('purchasing_power__score_history', outlives_full_refresh=true) -%}
    {%- if history is not none %}
    select
        recorded.user_id,
        -- of two models on that date the mean: neither is the one before
        avg(recorded.expected_spend) as expected_spend
    from {{ history }} as recorded
    inner join (
        select max(earlier.as_of_date) as as_of_date
        from {{ history }} as earlier
        where
            earlier.as_of_date < {{ as_of_date }}
            and earlier.horizon_days = {{ purchasing_power.setting('horizon_days') | int }}
    ) as newest on recorded.as_of_date = newest.as_of_date
    where recorded.horizon_days = {{ purchasing_power.setting('horizon_days') | int }}
    group by recorded.user_id
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as user_id,
        cast(null as {{ purchasing_power.type_double() }}) as expected_spend
    where 1 = 0
    {%- endif %}
{% endmacro %}
