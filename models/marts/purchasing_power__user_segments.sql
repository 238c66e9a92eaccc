{#- What is known of each user's buying beside their score: the columns that rules of audiences may look at. -#}
{%- set horizon = purchasing_power.setting('horizon_days') | int -%}
{%- set lifecycle = purchasing_power.lifecycle_rules() -%}
{%- set double = purchasing_power.type_double() -%}
with

scores as (

    select * from {{ ref('purchasing_power__scores') }}

),

users as (

    select * from {{ ref('purchasing_power__users') }}

),

steps as (

    select
        user_steps.user_id,
        user_steps.step_on,
        user_steps.spend,
        user_steps.orders,
        {{ purchasing_power.days_between('user_steps.step_on', 'known_past.as_of_date') }} as days_ago
    from {{ ref('purchasing_power__user_steps') }} as user_steps
    cross join {{ ref('int_purchasing_power__as_of') }} as known_past

),

bought as (

    select
        user_id,
        sum(orders) as orders_ever,
        count(case when orders > 0 then 1 end) as order_steps,
        min(case when orders > 0 then step_on end) as first_order_on,
        max(case when orders > 0 then step_on end) as last_order_on,
        cast(sum(spend) as {{ double }}) as spend_ever,
        cast(sum(case when days_ago <= {{ horizon }} then spend else 0 end) as {{ double }}) as spend_last_horizon,
        cast(sum(
            case when days_ago > {{ horizon }} and days_ago <= {{ 2 * horizon }} then spend else 0 end
        ) as {{ double }}) as spend_previous_horizon,
        sum(case when days_ago <= {{ horizon }} then orders else 0 end) as orders_last_horizon
    from steps
    group by user_id

),

buyers as (

    select
        bought.*,
        {{ purchasing_power.days_between('bought.first_order_on', 'bought.last_order_on') }} as days_of_buying
    from bought
    where bought.first_order_on is not null

),

shop_rhythm as (

    -- NULL where nobody has come back yet
    select sum(days_of_buying) * 1.0 / nullif(sum(order_steps - 1), 0) as days_between_orders
    from buyers

),

rhythms as (

    select
        buyers.*,
        -- the shop's rhythm counts as one pause of the user's own: after a second order one alone says little
        (buyers.days_of_buying + coalesce(shop_rhythm.days_between_orders, {{ horizon }}))
        / (1.0 * buyers.order_steps) as days_between_orders
    from buyers
    cross join shop_rhythm

),

described as (

    select
        scores.user_id,
        scores.as_of_date,
        scores.horizon_days,
        scores.purchasing_power_tier,
        scores.purchase_probability,
        scores.expected_spend,
        scores.purchasing_power_percentile,
        scores.model_version,
        {{ purchasing_power.days_between('users.first_seen_on', 'scores.as_of_date') }} as days_known,
        rhythms.first_order_on,
        rhythms.last_order_on,
        {{ purchasing_power.days_between('rhythms.first_order_on', 'scores.as_of_date') }} as days_since_first_order,
        {{ purchasing_power.days_between('rhythms.last_order_on', 'scores.as_of_date') }} as days_since_last_order,
        rhythms.days_between_orders,
        coalesce(bought.orders_ever, 0) as orders_ever,
        coalesce(bought.orders_last_horizon, 0) as orders_last_horizon,
        coalesce(bought.spend_ever, 0) as spend_ever,
        coalesce(bought.spend_last_horizon, 0) as spend_last_horizon,
        coalesce(bought.spend_previous_horizon, 0) as spend_previous_horizon,
        case
            when rhythms.user_id is null then 0
            else
                rhythms.spend_ever * {{ horizon }}
                / greatest(rhythms.days_of_buying + rhythms.days_between_orders, {{ horizon }})
        end as usual_spend
    from scores
    inner join users on scores.user_id = users.user_id
    left join bought on scores.user_id = bought.user_id
    left join rhythms on scores.user_id = rhythms.user_id

),

user_segments as (

    select

        ----------  ids
        user_id,
        as_of_date,
        horizon_days,

        ----------  text
        purchasing_power_tier,
        case
            when last_order_on is null then 'prospect'
            when
                days_since_last_order > {{ lifecycle.lost_after_pauses }} * days_between_orders
                and days_since_last_order > {{ lifecycle.lost_after_days }}
                then 'lost'
            when
                days_since_last_order > {{ lifecycle.lapsing_after_pauses }} * days_between_orders
                and days_since_last_order > {{ lifecycle.lapsing_after_days }}
                then 'lapsing'
            when days_since_first_order <= {{ lifecycle.new_for_days }} then 'new'
            -- what they spent before is known for a whole horizon
            when days_since_first_order < {{ 2 * horizon }} then 'active'
            when spend_last_horizon > {{ lifecycle.rising_above }} * spend_previous_horizon then 'rising'
            when spend_last_horizon < {{ lifecycle.cooling_below }} * spend_previous_horizon then 'cooling'
            else 'active'
        end as lifecycle,

        ----------  numerics
        purchase_probability,
        expected_spend,
        purchasing_power_percentile,
        cast(usual_spend as {{ double }}) as usual_spend,
        spend_last_horizon,
        spend_previous_horizon,
        spend_ever,
        cast(orders_last_horizon as {{ dbt.type_bigint() }}) as orders_last_horizon,
        cast(orders_ever as {{ dbt.type_bigint() }}) as orders_ever,
        cast(days_between_orders as {{ double }}) as usual_days_between_orders,
        cast(days_since_last_order as {{ dbt.type_bigint() }}) as days_since_last_order,
        cast(days_known as {{ dbt.type_bigint() }}) as days_known,

        ----------  dates
        first_order_on,
        last_order_on,

        ----------  provenance
        model_version

    from described

)

select * from user_segments
