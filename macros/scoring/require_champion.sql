{#-
    Stops a run with one sentence when the scores could not be right: no champion, one trained on other features or on a
    scaling that is gone, or bytes that are not those registered. Silent where nothing is built (compile, docs).
-#}
{% macro require_champion(registry, scaling, inputs) %}
    {% if not execute or flags.WHICH not in ('run', 'build', 'retry') %}
        {{ return('') }}
    {% endif %}

    {% set champions = run_query(
        'select model_version, feature_hash, scaling_version, '
        ~ purchasing_power.bytes_sha256('encoder_onnx', 'head_onnx') ~ ' = sha256 as is_intact '
        ~ 'from ' ~ registry ~ " where status = 'champion'"
    ).rows %}
    {% if champions | length == 0 %}
        {{ purchasing_power.refuse_to_score(
            registry ~ ' holds no champion model: run `purchasing-power train --promote`, then build again.'
        ) }}
    {% endif %}

    {% set champion = champions[0] %}
    {% set features = purchasing_power.feature_hash() %}
    {% if champion['feature_hash'] != features %}
        {{ purchasing_power.refuse_to_score(
            'champion ' ~ champion['model_version'] ~ ' was trained on the features ' ~ champion['feature_hash'][:12]
            ~ ', but the inputs, event types, step grain or horizon of this project now make ' ~ features[:12]
            ~ ': run `purchasing-power train --promote`, or undo the change.'
        ) }}
    {% elif not champion['is_intact'] %}
        {{ purchasing_power.refuse_to_score(
            'the bytes of champion ' ~ champion['model_version'] ~ ' in ' ~ registry
            ~ ' do not have the sha256 that was registered: run `purchasing-power models rollback`, or train again.'
        ) }}
    {% endif %}

    {% set known = run_query(
        'select scaling.inputs_version = inputs.inputs_version as is_current from ' ~ scaling ~ ' as scaling cross join '
        ~ inputs ~ " as inputs where scaling.scaling_version = '" ~ champion['scaling_version'] ~ "' limit 1"
    ).rows %}
    {% if known | length == 0 %}
        {{ purchasing_power.refuse_to_score(
            'champion ' ~ champion['model_version'] ~ ' was trained on scaling ' ~ champion['scaling_version']
            ~ ', which ' ~ scaling ~ ' no longer holds: run `purchasing-power train --promote`.'
        ) }}
    {% elif not known[0]['is_current'] %}
        {{ purchasing_power.refuse_to_score(
            'champion ' ~ champion['model_version'] ~ ' was trained on inputs that were cleaned and read with other fitted '
            ~ 'parameters than those in use now (refit_cleaning, or `purchasing-power prepare`): run `purchasing-power train --promote`.'
        ) }}
    {% endif %}
{% endmacro %}


{#- Stops a run before anything is scored, with one sentence. -#}
{% macro refuse_to_score(reason) %}
    {{ exceptions.raise_compiler_error('Nothing was scored and the previous scores stay: ' ~ reason) }}
{% endmacro %}
