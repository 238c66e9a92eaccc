{#- 256 buckets by hash: enough for a share in percent, and the same on every engine. -#}
{%- set validation_below = '%02x' % (purchasing_power.setting('validation_share') * 256) | int -%}
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
        min(step_on) as seen_on
    from steps
    group by user_id
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
        case
            when substr(md5(sightings.user_id), 1, 2) < '{{ validation_below }}' then 'validation'
            else 'train'
        end as split
    from sightings
    cross join log_start
    group by sightings.user_id

)

select * from users
