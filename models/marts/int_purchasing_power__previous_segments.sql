{#- Where users stood when they were last scored as of an earlier date; nobody on a first run. -#}
{{ config(materialized='view') }}
with

history as (

    select * from {{ ref('int_purchasing_power__segment_history') }}

),

settings as (

    select * from {{ ref('purchasing_power__settings') }}

),

previous as (

    select max(history.as_of_date) as as_of_date
    from history
    inner join settings on history.horizon_days = settings.horizon_days
    where history.as_of_date < settings.as_of_date

),

of_that_date as (

    select
        history.user_id,
        history.as_of_date,
        history.purchasing_power_tier,
        history.lifecycle,
        history.expected_spend,
        -- two models may have scored that date
        row_number() over (partition by history.user_id order by history.model_version desc) as place
    from history
    inner join settings on history.horizon_days = settings.horizon_days
    inner join previous on history.as_of_date = previous.as_of_date

)

select
    user_id,
    as_of_date,
    purchasing_power_tier,
    lifecycle,
    expected_spend
from of_that_date
where place = 1
