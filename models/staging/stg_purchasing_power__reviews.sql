{{ config(materialized='view') }}

with

checked as (

    select * from {{ ref('int_purchasing_power__reviews_checked') }}

),

renamed as (

    select

        ----------  ids
        review_id,
        mapping_position,
        user_id,
        product_id,

        ----------  text
        review_text,

        ----------  numerics
        rating,

        ----------  timestamps
        reviewed_at

    from checked
    where rejection_reason is null

)

select * from renamed
