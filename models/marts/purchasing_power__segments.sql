{%- set double = purchasing_power.type_double() -%}
with

user_segments as (

    select * from {{ ref('purchasing_power__user_segments') }}

),

previous_segments as (

    select * from {{ ref('int_purchasing_power__previous_segments') }}

),

tiers as (

    {{ purchasing_power.tier_positions() }}

),

now_counted as (

    select
        purchasing_power_tier,
        lifecycle,
        count(*) as users,
        sum(spend_last_horizon) as spend_last_horizon,
        sum(expected_spend) as expected_revenue,
        avg(purchase_probability) as average_purchase_probability
    from user_segments
    group by purchasing_power_tier, lifecycle

),

then_counted as (

    select
        purchasing_power_tier,
        lifecycle,
        count(*) as users,
        sum(expected_spend) as expected_revenue
    from previous_segments
    group by purchasing_power_tier, lifecycle

),

when_scored as (

    select
        max(user_segments.as_of_date) as as_of_date,
        max(user_segments.horizon_days) as horizon_days
    from user_segments

),

when_scored_before as (

    select max(as_of_date) as as_of_date
    from previous_segments

),

segments as (

    select

        ----------  ids
        coalesce(now_counted.purchasing_power_tier, then_counted.purchasing_power_tier) as purchasing_power_tier,
        coalesce(now_counted.lifecycle, then_counted.lifecycle) as lifecycle,
        tiers.tier_position,
        when_scored.as_of_date,
        when_scored.horizon_days,

        ----------  numerics
        cast(coalesce(now_counted.users, 0) as {{ dbt.type_bigint() }}) as users,
        {{ purchasing_power.share_of_all('coalesce(now_counted.users, 0)') }} as user_share,
        cast(coalesce(now_counted.spend_last_horizon, 0) as {{ double }}) as spend_last_horizon,
        {{ purchasing_power.share_of_all('coalesce(now_counted.spend_last_horizon, 0)') }} as spend_share,
        cast(coalesce(now_counted.expected_revenue, 0) as {{ double }}) as expected_revenue,
        {{ purchasing_power.share_of_all('coalesce(now_counted.expected_revenue, 0)') }} as expected_revenue_share,
        cast(now_counted.average_purchase_probability as {{ double }}) as average_purchase_probability,

        ----------  since the previous scoring
        when_scored_before.as_of_date as previous_as_of_date,
        case
            when when_scored_before.as_of_date is not null
                then cast(coalesce(now_counted.users, 0) - coalesce(then_counted.users, 0) as {{ dbt.type_bigint() }})
        end as user_change,
        case
            when when_scored_before.as_of_date is not null
                then
                    cast(
                        coalesce(now_counted.expected_revenue, 0) - coalesce(then_counted.expected_revenue, 0)
                        as {{ double }}
                    )
        end as expected_revenue_change

    from now_counted
    full outer join then_counted
        on
            now_counted.purchasing_power_tier = then_counted.purchasing_power_tier
            and now_counted.lifecycle = then_counted.lifecycle
    cross join when_scored
    cross join when_scored_before
    left join tiers
        on coalesce(now_counted.purchasing_power_tier, then_counted.purchasing_power_tier) = tiers.purchasing_power_tier

)

select * from segments
where
    {{ purchasing_power.may_be_shown('users') }}
    -- how many there were before is the difference
    and {{ purchasing_power.may_be_shown('users - coalesce(user_change, 0)') }}
