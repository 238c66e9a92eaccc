{{ purchasing_power.checked_rows(
    'browse_events',
    purchasing_power.activity_conditions('occurred_at'),
    'occurred_at desc, user_id, session_id, event_type, product_id, event_count, duration_seconds',
) }}
