{#- Today, and one horizon ago: what has been bought since tells how good the bands of then were. -#}
{{ config(materialized='view') }}
with

settings as (

    select * from {{ ref('purchasing_power__settings') }}

)

select
    as_of_date as known_until,
    true as is_today
from settings
union all
select
    cast({{ dbt.dateadd('day', '-horizon_days', 'as_of_date') }} as date) as known_until,
    false as is_today
from settings
