{{ purchasing_power.checked_rows(
    'products',
    [('missing_product_id', 'input_rows.product_id is null')],
    'category, brand, list_price',
    with_as_of=false,
) }}
