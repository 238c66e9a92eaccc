{#-
    `dbt run-operation purchasing_power__check`: verifies the vars and the mapping against the warehouse, and says so.
    The same checks run at the start of each dbt command of the package; the first problem found stops it.
-#}
{% macro purchasing_power__check() %}
    {{ purchasing_power.check_settings() }}
    {{ purchasing_power.check_pseudonyms() }}
    {{ purchasing_power.check_inputs() }}
    {{ purchasing_power.check_groups() }}
    {% set mapped = [] %}
    {% for input_name in purchasing_power.input_contract() if purchasing_power.has_input(input_name) %}
        {% do mapped.append(input_name) %}
    {% endfor %}
    {{ log(
        'purchasing_power: the vars and the mapping are fine. Mapped: ' ~ mapped | join(', ') ~ '; '
        ~ purchasing_power.channel_catalogue() | length ~ ' channels a step, '
        ~ purchasing_power.context_features() | length ~ ' context features, features '
        ~ purchasing_power.feature_hash()[:12] ~ '.',
        info=true
    ) }}
{% endmacro %}


{#- The on-run-start hook. Commands that build nothing of the package must work before there is a mapping. -#}
{% macro check_at_start() %}
    {% if execute and flags.WHICH in ('run', 'build', 'test', 'retry') and purchasing_power.is_selected() %}
        {{ purchasing_power.check_settings() }}
        {{ purchasing_power.check_pseudonyms() }}
        {{ purchasing_power.check_inputs() }}
        {{ purchasing_power.check_groups() }}
    {% endif %}
{% endmacro %}


{#- Stops with one sentence: where, what is wrong, what to do. -#}
{% macro refuse_config(where, problem) %}
    {{ exceptions.raise_compiler_error(where ~ ' ' ~ problem) }}
{% endmacro %}
