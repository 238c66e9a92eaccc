{{ config(
    materialized=purchasing_power.materialized_by_user(),
    incremental_strategy='append',
    on_schema_change='sync_all_columns',
    pre_hook="{{ purchasing_power.clear_checked_rows('order_lines') }}",
) }}

{%- set refuses_missing_amounts = purchasing_power.cleaning_rules('order_lines').amount.fill == 'reject' -%}
{{ purchasing_power.checked_rows(
    'order_lines',
    purchasing_power.activity_conditions('ordered_at')
    + [('unknown_currency', 'input_rows.exchange_rate is null')]
    + ([('invalid_amount', 'input_rows.amount is null')] if refuses_missing_amounts else []),
    'ordered_at desc, amount desc, user_id, order_id, product_id, quantity, discount_amount, currency, cancelled_at',
    rows=ref('int_purchasing_power__order_lines_priced'),
    also=['category'],
) }}
