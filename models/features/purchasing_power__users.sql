with

steps as (

    select * from {{ ref('purchasing_power__user_steps') }}

),

customers as (

    select * from {{ ref('stg_purchasing_power__customers') }}

),

sightings as (

    select
        user_id,
        step_on as seen_on
    from steps
    where step_index = 1
    union all
    select
        user_id,
        cast(signed_up_at as date) as seen_on
    from customers

),

log_start as (

    select min(step_on) as began_on
    from steps

),

users as (

    select
        sightings.user_id,
        -- a customer without a date and without activity looks as dormant as the log is long
        coalesce(min(sightings.seen_on), min(log_start.began_on)) as first_seen_on,
        min(sightings.seen_on) is not null as is_dated,
        {{ purchasing_power.user_split('sightings.user_id') }} as split
    from sightings
    cross join log_start
    group by sightings.user_id

)

select * from users
