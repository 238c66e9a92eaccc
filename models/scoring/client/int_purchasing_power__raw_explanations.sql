-- depends_on: {{ ref('int_purchasing_power__explanation_inputs') }}
-- depends_on: {{ ref('purchasing_power__feature_catalogue') }}
{{ purchasing_power.filled_by_command({
    'user_id': dbt.type_string(),
    'feature_group': dbt.type_string(),
    'contribution': purchasing_power.type_double(),
    'model_version': dbt.type_string(),
}) }}
