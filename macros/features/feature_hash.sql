{#-
    Identifies what the numbers in the tensors mean: both catalogues without their words, and the grain of a step. A model
    scores only features whose hash it was trained on. Made from portable SQL alone, so it is the same on every engine.
-#}
{% macro feature_hash() %}
    {% set meaning = [] %}
    {% for entry in purchasing_power.channel_catalogue() + purchasing_power.context_catalogue() %}
        {% do meaning.append([entry.name, entry.sql, entry.get('level'), entry.get('window'), entry.get('transform')]) %}
    {% endfor %}
    {{ return(local_md5(tojson({
        'catalogue': meaning,
        'step_grain': purchasing_power.setting('step_grain'),
        'horizon_days': purchasing_power.setting('horizon_days') | int,
    }, sort_keys=true))) }}
{% endmacro %}
