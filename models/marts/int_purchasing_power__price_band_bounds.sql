{%- set bands = purchasing_power.setting('price_bands') -%}
with

unit_prices as (

    select * from {{ ref('int_purchasing_power__unit_prices') }}

),

dates as (

    select * from {{ ref('int_purchasing_power__price_band_dates') }}

),

prices as (

    select
        dates.known_until,
        dates.is_today,
        unit_prices.category,
        unit_prices.unit_price,
        count(*) as lines
    from unit_prices
    inner join dates on unit_prices.ordered_on < dates.known_until
    group by dates.known_until, dates.is_today, unit_prices.category, unit_prices.unit_price

),

cumulated as (

    select
        *,
        sum(lines) over (partition by known_until, category) as lines_of_category,
        sum(lines) over (
            partition by known_until, category
            order by unit_price
            rows between unbounded preceding and current row
        ) as lines_up_to_price
    from prices

),

bounds as (

    select
        known_until,
        is_today,
        category,
        {% for band in range(1, bands) -%}
        min(
            case when {{ bands }} * lines_up_to_price >= {{ band }} * lines_of_category then unit_price end
        ) as highest_price_{{ band }},
        {% endfor -%}
        max(lines_of_category) as lines,
        min(unit_price) as lowest_price,
        max(unit_price) as highest_price,
        -- half of all lines cost this or less
        min(case when 2 * lines_up_to_price >= lines_of_category then unit_price end) as median_price
    from cumulated
    group by known_until, is_today, category

)

select * from bounds
where lines >= {{ purchasing_power.price_band_min_lines() }}
