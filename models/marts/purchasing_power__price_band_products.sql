{%- set double = purchasing_power.type_double() -%}
{%- set half_life = purchasing_power.price_band_half_life() -%}
with

unit_prices as (

    select * from {{ ref('int_purchasing_power__unit_prices') }}

),

products as (

    select * from {{ ref('stg_purchasing_power__products') }}

),

bounds as (

    select * from {{ ref('int_purchasing_power__price_band_bounds') }}

),

sold as (

    select
        unit_prices.product_id,
        -- what a unit cost lately, where no price list is mapped
        sum(unit_prices.amount) / sum(unit_prices.quantity) as average_price,
        sum(cast(
            power(
                0.5,
                {{ purchasing_power.days_between('unit_prices.ordered_on', 'as_of.as_of_date') }} / {{ half_life }}.0
            ) as {{ purchasing_power.type_fraction() }}
        )) as popularity
    from unit_prices
    cross join {{ ref('int_purchasing_power__as_of') }} as as_of
    where unit_prices.ordered_on < as_of.as_of_date
    group by unit_prices.product_id

),

offered as (

    select
        products.product_id,
        {% if purchasing_power.has_input('products', 'category') -%}
        products.category,
        {% else -%}
        cast('all products' as {{ dbt.type_string() }}) as category,
        {% endif -%}
        products.brand,
        coalesce(products.list_price, sold.average_price) as price,
        coalesce(sold.popularity, 0) as popularity
    from products
    left join sold on products.product_id = sold.product_id
    where
        -- a product of which nobody says how many there are is taken to be there
        coalesce(products.stock_quantity, 1) > 0

),

banded as (

    select
        bounds.known_until as as_of_date,
        offered.category,
        {{ purchasing_power.price_band('offered.price', 'bounds') }} as band,
        offered.product_id,
        offered.brand,
        offered.price,
        offered.popularity
    from offered
    inner join bounds on offered.category = bounds.category
    where
        bounds.is_today
        and offered.price is not null

),

ranked as (

    select
        *,
        row_number() over (partition by category, band order by popularity desc, product_id asc) as product_rank
    from banded

),

price_band_products as (

    select

        ----------  ids
        category,
        cast(band as {{ dbt.type_int() }}) as band,
        cast(product_rank as {{ dbt.type_bigint() }}) as product_rank,
        product_id,
        as_of_date,

        ----------  text
        brand,

        ----------  numerics
        cast(price as {{ double }}) as price,
        cast(popularity as {{ double }}) as popularity

    from ranked
    where product_rank <= {{ purchasing_power.setting('recommended_products') }}

)

select * from price_band_products
