{{ config(
    materialized=purchasing_power.materialized_by_user(),
    incremental_strategy='append',
    on_schema_change='sync_all_columns',
    pre_hook="{{ purchasing_power.clear_checked_rows('browse_events') }}",
) }}

{%- set bots -%}
left join {{ ref('int_purchasing_power__bots') }} as bots on input_rows.user_id = bots.user_id
{%- endset -%}

{{ purchasing_power.checked_rows(
    'browse_events',
    purchasing_power.activity_conditions('occurred_at') + [('bot', 'input_rows.occurred_at >= bots.bot_from')],
    'occurred_at desc, user_id, session_id, event_type, product_id, event_count, duration_seconds',
    joins=bots,
) }}
