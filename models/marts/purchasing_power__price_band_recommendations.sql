{%- set bands = purchasing_power.setting('price_bands') -%}
{%- set double = purchasing_power.type_double() -%}
with

preferred as (

    select * from {{ ref('int_purchasing_power__preferred_price_bands') }}
    where is_today

),

bounds as (

    select * from {{ ref('int_purchasing_power__price_band_bounds') }}
    where is_today

),

best_products as (

    select * from {{ ref('purchasing_power__price_band_products') }}
    where product_rank = 1

),

-- only those who are scored: test users are staged, and never make a user
scored as (

    select
        user_id,
        expected_spend
    from {{ ref('purchasing_power__scores') }}

),

recommended as (

    select
        preferred.*,
        'usual' as recommendation,
        preferred.band as recommended_band
    from preferred
    union all
    select
        preferred.*,
        'next_up' as recommendation,
        -- where many lines cost the same, bands in between hold none
        case
            {% for band in range(2, bands + 1) -%}
            when
                preferred.band < {{ band }}
                and bounds.{{ 'highest_price' if band == bands else 'highest_price_' ~ band }}
                > bounds.highest_price_{{ band - 1 }}
                then {{ band }}
            {% endfor -%}
        end as recommended_band
    from preferred
    inner join bounds on preferred.category = bounds.category

),

price_band_recommendations as (

    select

        ----------  ids
        recommended.user_id,
        recommended.category,
        recommended.recommendation,
        recommended.known_until as as_of_date,

        ----------  numerics
        cast(recommended.category_rank as {{ dbt.type_bigint() }}) as category_rank,
        cast(recommended.recommended_band as {{ dbt.type_int() }}) as band,
        cast(
            case recommended.recommended_band
                when 1 then bounds.lowest_price
                {% for band in range(2, bands + 1) -%}
                when {{ band }} then bounds.highest_price_{{ band - 1 }}
                {% endfor -%}
            end as {{ double }}
        ) as price_from,
        cast(
            case recommended.recommended_band
                {% for band in range(1, bands) -%}
                when {{ band }} then bounds.highest_price_{{ band }}
                {% endfor -%}
                else bounds.highest_price
            end as {{ double }}
        ) as price_to,
        cast(recommended.band_share as {{ double }}) as usual_band_share,
        scored.expected_spend,

        ----------  text
        best_products.product_id as best_product_id

    from recommended
    inner join scored on recommended.user_id = scored.user_id
    inner join bounds on recommended.category = bounds.category
    left join best_products
        on
            recommended.category = best_products.category
            and recommended.recommended_band = best_products.band
    where recommended.recommended_band is not null

)

select * from price_band_recommendations
