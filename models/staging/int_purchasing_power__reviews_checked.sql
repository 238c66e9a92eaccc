{{ purchasing_power.checked_rows(
    'reviews',
    purchasing_power.activity_conditions('reviewed_at'),
    'reviewed_at desc, user_id, product_id, rating, review_text',
) }}
