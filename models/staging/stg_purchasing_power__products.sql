{{ config(materialized='view') }}

with

checked as (

    select * from {{ ref('int_purchasing_power__products_checked') }}

),

renamed as (

    select

        ----------  ids
        product_id,

        ----------  text
        category,
        brand,

        ----------  numerics
        -- a price below 0 is none: it would be shown to whoever is recommended the product
        case when list_price >= 0 then list_price end as list_price,
        stock_quantity,

        ----------  arrays
        embedding

    from checked
    where rejection_reason is null

)

select * from renamed
