{{ config(materialized='view') }}

with

checked as (

    select * from {{ ref('int_purchasing_power__customers_checked') }}

),

renamed as (

    select

        ----------  ids
        user_id,

        ----------  timestamps
        signed_up_at

    from checked
    where rejection_reason is null

)

select * from renamed
