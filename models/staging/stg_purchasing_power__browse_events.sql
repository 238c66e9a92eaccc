{{ config(materialized='view') }}

with

checked as (

    select * from {{ ref('int_purchasing_power__browse_events_checked') }}

),

renamed as (

    select

        ----------  ids
        event_id,
        session_id,
        user_id,
        product_id,

        ----------  text
        coalesce(lower(event_type), 'view') as event_type,

        ----------  numerics
        coalesce(event_count, 1) as event_count,
        coalesce(duration_seconds, 0) as duration_seconds,

        ----------  timestamps
        occurred_at

    from checked
    where rejection_reason is null

)

select * from renamed
