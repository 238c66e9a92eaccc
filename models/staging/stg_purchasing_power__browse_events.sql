{{ config(materialized='view') }}

{%- set known_values = purchasing_power.known_values(
    'browse_events', 'occurred_at, event_id, mapping_position, session_id, event_type, product_id, event_count, duration_seconds'
) -%}
with

checked as (

    select * from {{ ref('int_purchasing_power__browse_events_checked') }}
    where rejection_reason is null

),

{{ purchasing_power.with_cleaning('browse_events', 'checked') }},

capped as (

    select
        {{ purchasing_power.capped_columns('browse_events') | join(',\n        ') }},
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
        event_id,
        mapping_position,
        session_id,
        user_id,
        product_id,

        ----------  text
        coalesce(lower(event_type), 'view') as event_type,

        ----------  numerics
        {% for column in purchasing_power.cleaning_rules('browse_events') -%}
        {{ purchasing_power.filled('browse_events', column) }} as {{ column }},
        {% endfor -%}

        ----------  booleans
        {% for column in purchasing_power.cleaning_rules('browse_events') -%}
        {{ column }} is null as is_{{ column }}_missing,
        {% endfor -%}
        {{ purchasing_power.any_beyond_fence(['event_count', 'duration_seconds']) }} as is_outlier,

        ----------  timestamps
        occurred_at

    from {{ 'tracked' if known_values else 'capped' }}

)

select * from renamed
