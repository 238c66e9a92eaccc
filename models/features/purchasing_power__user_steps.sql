{%- set channels = purchasing_power.channel_catalogue() -%}
{%- set by_instant = purchasing_power.setting('step_grain') == 'event' -%}
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
        {% for channel in channels if channel.level != 'step' -%}
        {{ channel.sql }} as {{ channel.name }}{{ ',' if not loop.last }}
        {% endfor %}
    from activity
    group by user_id, step_on{{ ', occurred_at' if by_instant }}

),

positioned as (

    select
        *,
        row_number() over (partition by user_id order by step_started_at) as step_index,
        coalesce(
            {{ purchasing_power.days_between('lag(step_on) over (partition by user_id order by step_started_at)', 'step_on') }},
            0
        ) as days_since_previous_step,
        {{ purchasing_power.day_of_week('step_on') }} as weekday
    from measured

),

completed as (

    select
        user_id,
        step_index,
        step_on,
        step_started_at,
        {% for channel in channels -%}
        {{ channel.sql if channel.level == 'step' else channel.name }} as {{ channel.name }}{{ ',' if not loop.last }}
        {% endfor %}
    from positioned

)

select * from completed
