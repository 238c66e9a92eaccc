{#-
    Identifies what the numbers in the tensors mean: both catalogues without their words, how inputs are cleaned, and the
    grain of a step. A model scores only features whose hash it was trained on. Made from portable SQL alone, so it is the
    same on every engine.
-#}
{% macro feature_hash() %}
    {% set meaning = [] %}
    {% for entry in purchasing_power.channel_catalogue() + purchasing_power.context_catalogue() %}
        {% do meaning.append([entry.name, entry.sql, entry.get('level'), entry.get('window'), entry.get('transform')]) %}
    {% endfor %}
    {% set cleaning = [] %}
    {% for input_name in purchasing_power.input_contract() %}
        {% do cleaning.append([input_name, purchasing_power.cleaning_rules(input_name)]) %}
    {% endfor %}
    {{ return(local_md5(tojson({
        'catalogue': meaning,
        'cleaning': cleaning,
        'rating_scale': purchasing_power.setting('rating_scale'),
        'session_gap_minutes': purchasing_power.setting('session_gap_minutes'),
        'step_grain': purchasing_power.setting('step_grain'),
        'horizon_days': purchasing_power.setting('horizon_days') | int,
    }, sort_keys=true))) }}
{% endmacro %}
