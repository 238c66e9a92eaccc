{%- set events_per_day = purchasing_power.setting('bot_events_per_day') -%}
{%- set events_per_day = 'null' if events_per_day is none else events_per_day -%}
with

browse_events as (

    select * from {{ ref('purchasing_power__browse_events') }}

),

busy_days as (

    select
        user_id,
        cast(occurred_at as date) as on_date
    from browse_events
    where
        user_id is not null
        -- a broken clock's first second is no busy day
        and occurred_at >= cast('{{ purchasing_power.setting('earliest_date') }}' as date)
    group by user_id, cast(occurred_at as date)
    having sum(coalesce(event_count, 1)) > {{ events_per_day }}

),

bots as (

    -- from the first such day on, not before: whoever looked at the shop earlier could not know
    select
        user_id,
        min(on_date) as bot_from
    from busy_days
    group by user_id

)

select * from bots
