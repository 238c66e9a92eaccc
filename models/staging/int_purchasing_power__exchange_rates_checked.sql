{{ purchasing_power.checked_rows(
    'exchange_rates',
    [
        ('missing_currency', 'input_rows.currency is null'),
        ('invalid_rate', 'coalesce(input_rows.rate, 0) <= 0'),
    ],
    'rate desc',
    with_as_of=false,
) }}
