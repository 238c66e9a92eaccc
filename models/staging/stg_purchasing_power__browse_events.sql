{{ config(materialized='view') }}

with

checked as (

    select * from {{ ref('int_purchasing_power__browse_events_checked') }}

),

renamed as (

    select

        ----------  ids
        event_id,
        mapping_position,
        session_id,
        user_id,
        product_id,

        ----------  text
        coalesce(lower(event_type), 'view') as event_type,

        ----------  numerics
        -- a negative count or duration is taken for one that was not given
        case when event_count >= 0 then event_count else 1 end as event_count,
        case when duration_seconds >= 0 then duration_seconds else 0 end as duration_seconds,

        ----------  timestamps
        occurred_at

    from checked
    where rejection_reason is null

)

select * from renamed
