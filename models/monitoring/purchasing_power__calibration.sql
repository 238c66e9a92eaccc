{#-
    Predicted beside realised, once a horizon has passed: for all users, by tenths of expected spend, and by tier. A scoring is judged
    once, when it has matured.
-#}
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='append_new_columns') }}

{%- set rules = purchasing_power.monitoring_rules() -%}
{%- set double = purchasing_power.type_double() -%}
{%- set scoring = ['as_of_date', 'horizon_days', 'model_version'] -%}
with

seen as (

    select distinct {{ scoring | join(', ') }}
    from {{ this if is_incremental() else ref('purchasing_power__matured_scores') }}
    {%- if not is_incremental() %}
    where 1 = 0
    {%- endif %}

),

matured as (

    select
        matured.*,
        ntile(10) over (
            partition by matured.as_of_date, matured.horizon_days, matured.model_version
            order by matured.expected_spend, matured.user_id
        ) as decile
    from {{ ref('purchasing_power__matured_scores') }} as matured
    left join seen
        on
            matured.as_of_date = seen.as_of_date
            and matured.horizon_days = seen.horizon_days
            and matured.model_version = seen.model_version
    where seen.model_version is null

),

grouped as (

    select
        matured.*,
        groupings.grouping_name,
        case groupings.grouping_name
            when 'decile' then cast(matured.decile as {{ dbt.type_string() }})
            when 'tier' then matured.purchasing_power_tier
            else 'all'
        end as group_name
    from matured
    cross join (values ('all'), ('decile'), ('tier')) as groupings (grouping_name)

),

summed as (

    select
        {% for name in scoring -%}
        {{ name }},
        {% endfor -%}
        grouping_name,
        group_name,
        max(matured_on) as matured_on,
        count(*) as users,
        sum(purchase_probability) as predicted_buyers,
        sum(case when has_bought then 1 else 0 end) as realised_buyers,
        sum(expected_spend) as predicted_spend,
        sum(realised_spend) as realised_spend,
        sum(case when is_within_range then 1 else 0 end) as within_range,
        sqrt(sum(purchase_probability * (1 - purchase_probability))) as buyers_error,
        sqrt(sum((realised_spend - expected_spend) * (realised_spend - expected_spend))) as spend_error
    from grouped
    group by {{ scoring | join(', ') }}, grouping_name, group_name

),

judged as (

    select
        *,
        (realised_buyers - predicted_buyers) / greatest(buyers_error, 0.000001) as buyers_departure,
        (realised_spend - predicted_spend) / greatest(spend_error, 0.000001) as spend_departure
    from summed

),

calibration as (

    select

        ----------  ids
        as_of_date,
        matured_on,
        horizon_days,
        model_version,
        grouping_name,
        group_name,

        ----------  numerics
        cast(users as {{ dbt.type_bigint() }}) as users,
        {% for name in [
            'predicted_buyers', 'realised_buyers', 'buyers_departure', 'predicted_spend', 'realised_spend', 'spend_departure'
        ] -%}
        cast({{ name }} as {{ double }}) as {{ name }},
        {% endfor -%}
        cast(within_range as {{ double }}) / users as within_range_share,

        ----------  booleans
        users >= {{ rules.fewest_users }}
        and (
            {%- for name in ['buyers', 'spend'] %}
            {{ 'or ' if not loop.first }}(
                abs({{ name }}_departure) >= {{ rules.departures }}
                and abs(realised_{{ name }} - predicted_{{ name }}) >= {{ rules.calibration }} * predicted_{{ name }}
            )
            {%- endfor %}
        ) as is_off

    from judged

)

select * from calibration
where {{ purchasing_power.may_be_shown('users') }}
