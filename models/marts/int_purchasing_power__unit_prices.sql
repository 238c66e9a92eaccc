{#- Lines that say what a unit cost. Where no category is mapped all products are of one. -#}
{{ config(materialized='view') }}
with

order_lines as (

    select * from {{ ref('stg_purchasing_power__order_lines') }}

),

unit_prices as (

    select
        user_id,
        product_id,
        {% if purchasing_power.has_input('products', 'category') -%}
        category,
        {% else -%}
        cast('all products' as {{ dbt.type_string() }}) as category,
        {% endif -%}
        ordered_at,
        cast(ordered_at as date) as ordered_on,
        amount,
        quantity,
        cast(amount / quantity as {{ purchasing_power.type_money() }}) as unit_price
    from order_lines
    where
        amount > 0
        and quantity > 0
        and cancelled_at is null

)

select * from unit_prices
where category is not null
