{%- set events_per_day = purchasing_power.setting('bot_events_per_day') -%}
{%- set events_per_day = 'null' if events_per_day is none else events_per_day -%}
with

browse_events as (

    select * from {{ ref('purchasing_power__browse_events') }}

),

busy_users as (

    -- only who browsed as much in all can have done so in a day
    select user_id
    from {{ ref('int_purchasing_power__input_digests') }}
    where browse_event_count > {{ events_per_day }}

),

busy_days as (

    select
        browse_events.user_id,
        cast(browse_events.occurred_at as date) as on_date
    from browse_events
    inner join busy_users on browse_events.user_id = busy_users.user_id
    where
        -- a broken clock's first second is no busy day
        browse_events.occurred_at >= cast('{{ purchasing_power.setting('earliest_date') }}' as date)
    group by browse_events.user_id, cast(browse_events.occurred_at as date)
    having sum(coalesce(browse_events.event_count, 1)) > {{ events_per_day }}

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
