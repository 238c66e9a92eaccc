{#-
    What was predicted beside what came of it, once a horizon has passed. A scoring is looked at once, on the first run after
    it matured: rows that come in later than that count on a full refresh.
-#}
{{ config(
    materialized=purchasing_power.materialized_with_retention(),
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ purchasing_power.clear_expired() }}",
) }}

{%- set double = purchasing_power.type_double() -%}
with

history as (

    select * from {{ ref('purchasing_power__score_history') }}

),

known_past as (

    select as_of_date as known_until
    from {{ ref('int_purchasing_power__as_of') }}

),

seen as (

    select
        as_of_date,
        horizon_days,
        model_version
    from {{ this if purchasing_power.adds_to_history() else ref('purchasing_power__score_history') }}
    where {{ 'as_of_date is not null' if purchasing_power.adds_to_history() else '1 = 0' }}
    group by as_of_date, horizon_days, model_version

),

matured as (

    select
        history.*,
        cast({{ dbt.dateadd('day', 'history.horizon_days', 'history.as_of_date') }} as date) as matured_on
    from history
    cross join known_past
    where
        history.horizon_days <= {{ purchasing_power.days_between('history.as_of_date', 'known_past.known_until') }}
        and not exists (
            select 1 as found
            from seen
            where
                seen.as_of_date = history.as_of_date
                and seen.horizon_days = history.horizon_days
                and seen.model_version = history.model_version
        )

),

windows as (

    select distinct
        as_of_date,
        matured_on
    from matured

),

came as (

    select
        windows.as_of_date,
        windows.matured_on,
        steps.user_id,
        sum(steps.spend) as spend,
        sum(steps.orders) as orders
    from windows
    inner join {{ ref('purchasing_power__user_steps') }} as steps
        on
            windows.as_of_date <= steps.step_on
            and windows.matured_on > steps.step_on
    group by windows.as_of_date, windows.matured_on, steps.user_id

),

matured_scores as (

    select

        ----------  ids
        matured.user_id,
        matured.as_of_date,
        matured.matured_on,
        matured.horizon_days,
        matured.model_version,

        ----------  text
        matured.purchasing_power_tier,

        ----------  what was predicted
        matured.purchase_probability,
        matured.expected_spend,
        matured.spend_p10,
        matured.spend_p50,
        matured.spend_p90,

        ----------  what came
        -- a user who gave more back than they paid has spent nothing, as in training
        cast(greatest(coalesce(came.spend, 0), 0) as {{ double }}) as realised_spend,
        coalesce(came.orders, 0) > 0 as has_bought,
        greatest(coalesce(came.spend, 0), 0) between matured.spend_p10 and matured.spend_p90 as is_within_range

    from matured
    left join came
        on
            matured.user_id = came.user_id
            and matured.as_of_date = came.as_of_date
            and matured.matured_on = came.matured_on

)

select * from matured_scores
