{{ config(
    materialized=purchasing_power.materialized_by_user(),
    incremental_strategy='append',
    on_schema_change='sync_all_columns',
    pre_hook="{{ purchasing_power.clear_checked_rows('reviews') }}",
) }}

{{ purchasing_power.checked_rows(
    'reviews',
    purchasing_power.activity_conditions('reviewed_at'),
    'reviewed_at desc, user_id, product_id, rating, review_text',
) }}
