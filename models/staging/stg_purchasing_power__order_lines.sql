{{ config(materialized='view') }}

with

checked as (

    select * from {{ ref('int_purchasing_power__order_lines_checked') }}

),

renamed as (

    select

        ----------  ids
        order_line_id,
        mapping_position,
        -- without an order id, what a user pays for in one instant is one order
        coalesce(order_id, cast(ordered_at as {{ dbt.type_string() }})) as order_id,
        user_id,
        product_id,

        ----------  numerics
        coalesce(quantity, 1) as quantity,
        amount,
        coalesce(discount_amount, 0) as discount_amount,

        ----------  timestamps
        ordered_at

    from checked
    where rejection_reason is null

)

select * from renamed
