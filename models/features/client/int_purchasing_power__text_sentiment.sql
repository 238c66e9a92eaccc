-- depends_on: {{ ref('int_purchasing_power__texts_to_read') }}
{{ purchasing_power.filled_by_command({
    'text_md5': dbt.type_string(),
    'sentiment': purchasing_power.type_double(),
    'model_version': dbt.type_string(),
}) }}
