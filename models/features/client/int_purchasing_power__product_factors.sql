-- depends_on: {{ ref('stg_purchasing_power__products') }}
{{ purchasing_power.filled_by_command({
    'product_id': dbt.type_string(),
    'factors': purchasing_power.type_float_array(),
    'model_version': dbt.type_string(),
}) }}
