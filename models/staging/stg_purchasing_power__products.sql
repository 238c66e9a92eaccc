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
        list_price,
        stock_quantity,

        ----------  arrays
        embedding

    from checked
    where rejection_reason is null

)

select * from renamed
