{#-
    Identifies what the numbers in the tensors mean: both catalogues, entry by entry, and the grain of a step. A model
    scores only features whose hash it was trained on. Made from portable SQL alone, so it is the same on every engine.
-#}
{% macro feature_hash() %}
    {{ return(local_md5(tojson({
        'channels': purchasing_power.channel_catalogue(),
        'context': purchasing_power.context_catalogue(),
        'step_grain': purchasing_power.setting('step_grain'),
        'horizon_days': purchasing_power.setting('horizon_days') | int,
    }, sort_keys=true))) }}
{% endmacro %}
