{#- 256 buckets by hash: enough for a share in percent, and the same on every engine. -#}
{%- set validation_below = '%02x' % (purchasing_power.setting('validation_share') * 256) | int -%}
with

steps as (

    select * from {{ ref('purchasing_power__user_steps') }}

),

customers as (

    select * from {{ ref('stg_purchasing_power__customers') }}

),

as_of as (

    select * from {{ ref('int_purchasing_power__as_of') }}

),

sightings as (

    select
        user_id,
        min(step_on) as seen_on
    from steps
    group by user_id
    union all
    select
        customers.user_id,
        -- known without a date: known since yesterday
        coalesce(cast(customers.signed_up_at as date), as_of.as_of_date - 1) as seen_on
    from customers
    cross join as_of

),

users as (

    select
        user_id,
        min(seen_on) as first_seen_on,
        case
            when substr(md5(user_id), 1, 2) < '{{ validation_below }}' then 'validation'
            else 'train'
        end as split
    from sightings
    group by user_id

)

select * from users
