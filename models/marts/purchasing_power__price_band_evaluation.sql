{#-
    How often a line of the last horizon lay in the band that was foretold for its user and category before it. Only users
    who had bought of the category before count: of the others no method says anything of their own.
-#}
{%- set double = purchasing_power.type_double() -%}
with

unit_prices as (

    select * from {{ ref('int_purchasing_power__unit_prices') }}

),

settings as (

    select * from {{ ref('purchasing_power__settings') }}

),

bounds as (

    select * from {{ ref('int_purchasing_power__price_band_bounds') }}
    where not is_today

),

preferred as (

    select * from {{ ref('int_purchasing_power__preferred_price_bands') }}
    where not is_today

),

bought as (

    select
        bounds.known_until,
        settings.horizon_days,
        {{ purchasing_power.price_band('unit_prices.unit_price', 'bounds') }} as bought_band,
        preferred.band as preferred_band,
        preferred.last_bought_band,
        {{ purchasing_power.price_band('bounds.median_price', 'bounds') }} as median_band
    from unit_prices
    inner join bounds
        on
            unit_prices.category = bounds.category
            and unit_prices.ordered_on >= bounds.known_until
    inner join settings on unit_prices.ordered_on < settings.as_of_date
    inner join preferred
        on
            unit_prices.user_id = preferred.user_id
            and unit_prices.category = preferred.category

),

foretold as (

    {% for method, column in [
        ('purchasing_power', 'preferred_band'), ('last_bought', 'last_bought_band'), ('median', 'median_band')
    ] -%}
    select
        known_until,
        horizon_days,
        '{{ method }}' as method,
        bought_band,
        {{ column }} as foretold_band
    from bought
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

price_band_evaluation as (

    select

        ----------  ids
        method,
        known_until,
        horizon_days,

        ----------  numerics
        count(*) as lines,
        count(case when bought_band = foretold_band then 1 end) as hits,
        cast(count(case when bought_band = foretold_band then 1 end) * 1.0 / count(*) as {{ double }}) as hit_rate,
        cast(avg(abs(bought_band - foretold_band)) as {{ double }}) as average_bands_off

    from foretold
    group by method, known_until, horizon_days

)

select * from price_band_evaluation
