{{ purchasing_power.checked_rows(
    'customers',
    [
        ('missing_user_id', 'input_rows.user_id is null'),
        ('test_user', purchasing_power.is_test_user('input_rows.user_id')),
        ('after_as_of_date', 'input_rows.signed_up_at >= as_of.as_of_date'),
    ],
    'signed_up_at',
) }}
