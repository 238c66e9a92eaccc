{{ config(materialized='view') }}

{%- set known_values = purchasing_power.known_values(
    'order_lines', 'ordered_at, order_line_id, mapping_position, order_id, product_id, amount, quantity, discount_amount'
) -%}
with

checked as (

    select * from {{ ref('int_purchasing_power__order_lines_checked') }}
    where rejection_reason is null

),

{{ purchasing_power.with_cleaning('order_lines', 'checked', purchasing_power.has_category('order_lines')) }},

capped as (

    select
        {{ purchasing_power.capped_columns('order_lines') | join(',\n        ') }},
        limited.*
    from limited

),

{% if known_values -%}
tracked as (

    select
        {{ known_values | join(',\n        ') }},
        capped.*
    from capped

),

{% endif -%}
renamed as (

    select

        ----------  ids
        order_line_id,
        mapping_position,
        -- without an order id, what a user pays for in one instant is one order
        coalesce(order_id, cast(ordered_at as {{ dbt.type_string() }})) as order_id,
        user_id,
        product_id,

        ----------  text
        category,

        ----------  numerics
        {% for column in purchasing_power.cleaning_rules('order_lines') -%}
        {{ purchasing_power.filled('order_lines', column) }} as {{ column }},
        {% endfor -%}

        ----------  booleans
        {% for column in purchasing_power.cleaning_rules('order_lines') -%}
        {{ column }} is null as is_{{ column }}_missing,
        {% endfor -%}
        {{ purchasing_power.any_beyond_fence(['amount', 'quantity', 'discount_amount']) }} as is_outlier,

        ----------  timestamps
        ordered_at,
        -- nothing is given back before it was bought
        case when cancelled_at < ordered_at then ordered_at else cancelled_at end as cancelled_at

    from {{ 'tracked' if known_values else 'capped' }}

)

select * from renamed
