{{ purchasing_power.checked_rows(
    'order_lines',
    purchasing_power.activity_conditions('ordered_at') + [('invalid_amount', 'input_rows.amount is null')],
    'ordered_at desc, amount desc, user_id, order_id, product_id, quantity, discount_amount',
) }}
