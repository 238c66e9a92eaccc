{%- set by_instant = purchasing_power.setting('step_grain') == 'event' -%}
{%- set previous_step_on = 'lag(step_on) over (partition by user_id order by step_started_at)' -%}
with

activity as (

    select
        *,
        {{ purchasing_power.step_start('occurred_at') }} as step_on
    from {{ ref('int_purchasing_power__activity') }}

),

measured as (

    select
        user_id,
        step_on,
        min(occurred_at) as step_started_at,
        {{ purchasing_power.step_measures() | join(',\n        ') }}
    from activity
    group by user_id, step_on{{ ', occurred_at' if by_instant }}

),

positioned as (

    select
        *,
        row_number() over (partition by user_id order by step_started_at) as step_index,
        coalesce({{ purchasing_power.days_between(previous_step_on, 'step_on') }}, 0) as days_since_previous_step,
        {{ purchasing_power.day_of_week('step_on') }} as day_of_week
    from measured

),

completed as (

    select
        user_id,
        step_index,
        step_on,
        step_started_at,
        {{ purchasing_power.step_channels() | join(',\n        ') }}
    from positioned

)

select * from completed
