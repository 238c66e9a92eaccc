{%- set horizon = purchasing_power.setting('horizon_days') | int -%}
{#- A whole horizon by default, so that no window of that length is cut off at the left. -#}
{%- set min_history = purchasing_power.setting('anchor_min_history_days') -%}
{%- set min_history = horizon if min_history is none else min_history -%}
{%- set every = purchasing_power.setting('anchor_every_days') | int -%}
with

as_of as (

    select * from {{ ref('int_purchasing_power__as_of') }}

),

first_order as (

    select min(step_on) as first_on
    from {{ ref('purchasing_power__user_steps') }}
    where orders > 0

),

offsets as (

    {% for number in range(purchasing_power.setting('anchor_limit') | int) -%}
    select {{ horizon + number * every }} as days_back
    {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

anchor_dates as (

    select as_of.as_of_date - offsets.days_back as anchor_on
    from as_of
    cross join offsets

),

with_history as (

    -- the newest anchor always stays: it is the one that a backtest looks at
    select anchor_dates.anchor_on
    from anchor_dates
    cross join first_order
    cross join as_of
    where
        anchor_dates.anchor_on >= first_order.first_on + {{ min_history }}
        or anchor_dates.anchor_on = as_of.as_of_date - {{ horizon }}

)

select * from with_history
