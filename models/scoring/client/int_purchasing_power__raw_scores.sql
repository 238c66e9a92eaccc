-- depends_on: {{ ref('int_purchasing_power__head_inputs') }}
{{ purchasing_power.filled_by_command({
    'user_id': dbt.type_string(),
    'as_of_date': 'date',
    'purchase_probability': purchasing_power.type_double(),
    'expected_spend': purchasing_power.type_double(),
    'spend_p10': purchasing_power.type_double(),
    'spend_p50': purchasing_power.type_double(),
    'spend_p90': purchasing_power.type_double(),
    'purchasing_power_tier': dbt.type_string(),
    'anomaly_score': purchasing_power.type_double(),
    'is_outlier': dbt.type_boolean(),
    'model_version': dbt.type_string(),
}) }}
