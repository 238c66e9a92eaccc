{#- How much of what a user bought lies in each band, a line counting the less the longer ago it was. -#}
with

unit_prices as (

    select * from {{ ref('int_purchasing_power__unit_prices') }}

),

bounds as (

    select * from {{ ref('int_purchasing_power__price_band_bounds') }}

),

banded as (

    select
        bounds.known_until,
        bounds.is_today,
        unit_prices.user_id,
        unit_prices.category,
        {{ purchasing_power.price_band('unit_prices.unit_price', 'bounds') }} as band,
        unit_prices.ordered_at,
        unit_prices.amount,
        power(
            0.5,
            {{ purchasing_power.days_between('unit_prices.ordered_on', 'bounds.known_until') }}
            / {{ purchasing_power.price_band_half_life() }}.0
        ) as weight
    from unit_prices
    inner join bounds
        on
            unit_prices.category = bounds.category
            and unit_prices.ordered_on < bounds.known_until

),

user_price_bands as (

    select
        known_until,
        is_today,
        user_id,
        category,
        band,
        count(*) as lines,
        max(ordered_at) as last_bought_at,
        sum(cast(weight as {{ purchasing_power.type_fraction() }})) as weight,
        sum(cast(weight * amount as {{ purchasing_power.type_fraction() }})) as weighted_spend
    from banded
    group by known_until, is_today, user_id, category, band

)

select * from user_price_bands
