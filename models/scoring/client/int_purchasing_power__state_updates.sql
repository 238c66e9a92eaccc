-- depends_on: {{ ref('int_purchasing_power__steps_to_consume') }}
{{ purchasing_power.filled_by_command({
    'user_id': dbt.type_string(),
    'last_step_on': 'date',
    'steps_consumed': dbt.type_bigint(),
    'consumed_digest': dbt.type_string(),
    'state': purchasing_power.type_float_array(),
    'model_version': dbt.type_string(),
}) }}
