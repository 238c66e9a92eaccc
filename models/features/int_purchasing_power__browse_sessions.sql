{{ config(materialized='view') }}

{%- set in_session -%}
partition by user_id, session_id
order by {{ purchasing_power.nulls_last('occurred_at, event_id, mapping_position, product_id, event_type') }}
{%- endset -%}
{%- set previous_at = 'lag(occurred_at) over (' ~ in_session ~ ')' -%}
{%- set gap = purchasing_power.setting('session_gap_minutes') * 60 -%}
{%- set seconds -%}
{%- if purchasing_power.has_input('browse_events', 'duration_seconds') -%}
duration_seconds
{%- else -%}
case when starts_session = 1 or seconds_since_previous > {{ gap }} then 0 else seconds_since_previous end
{%- endif -%}
{%- endset -%}
with

browse_events as (

    select * from {{ ref('stg_purchasing_power__browse_events') }}
    where {{ purchasing_power.is_rebuilt() }}

),

spaced as (

    select
        *,
        {{ purchasing_power.seconds_between(previous_at, 'occurred_at') }} as seconds_since_previous
    from browse_events

),

sessions as (

    select
        *,
        -- with an id, a session begins at the id's first event; without, after a gap
        case
            when seconds_since_previous is null then 1
            when session_id is null and seconds_since_previous > {{ gap }} then 1
            else 0
        end as starts_session
    from spaced

),

timed as (

    select
        *,
        {{ seconds }} as seconds
    from sessions

)

select * from timed
