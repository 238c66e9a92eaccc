{#- Refuses training settings that the trainer does not know, or that are of another type; ranges are the trainer's to check. -#}
{% macro check_training() %}
    {% set where = 'purchasing_power__training' %}
    {% set settings = purchasing_power.setting('training') %}
    {% if settings is not mapping %}
        {{ purchasing_power.refuse_config(where, 'is ' ~ tojson(settings) ~ ': write field: value, a field a line.') }}
    {% endif %}
    {% set kinds = purchasing_power.training_fields() %}
    {% for name, value in settings.items() %}
        {% if name not in kinds %}
            {{ purchasing_power.refuse_config(where ~ '.' ~ name, 'does not exist: write one of ' ~ kinds | join(', ') ~ '.') }}
        {% endif %}
        {% set kind = kinds[name] %}
        {% set is_list = value is not string and value is not mapping and value is sequence %}
        {% if (kind == 'a whole number' and value is not integer)
            or (kind == 'a number such as 0.001' and (value is boolean or value is not number))
            or (kind == 'a name' and value is not string)
            or (kind == 'a list of whole numbers' and (not is_list or value | reject('integer') | list)) %}
            {{ purchasing_power.refuse_config(where ~ '.' ~ name, 'is ' ~ tojson(value) ~ ': write ' ~ kind ~ '.') }}
        {% endif %}
    {% endfor %}
{% endmacro %}


{#- Every field of the training settings, and what it holds; a test compares it with the trainer's. -#}
{% macro training_fields() %}
    {{ return({
        'batch_size': 'a whole number',
        'users_per_epoch': 'a whole number',
        'epochs': 'a whole number',
        'patience': 'a whole number',
        'learning_rate': 'a number such as 0.001',
        'cell': 'a name',
        'layers': 'a whole number',
        'objective': 'a name',
        'hidden_size': 'a whole number',
        'head_sizes': 'a list of whole numbers',
        'members': 'a whole number',
        'dropout': 'a number such as 0.001',
        'l2': 'a number such as 0.001',
        'weight_average': 'a number such as 0.001',
        'half_life_horizons': 'a number such as 0.001',
        'clip_norm': 'a number such as 0.001',
        'private_epsilon': 'a number such as 0.001',
        'private_delta': 'a number such as 0.001',
        'trees': 'a whole number',
        'outlier_share': 'a number such as 0.001',
        'seed': 'a whole number',
    }) }}
{% endmacro %}
