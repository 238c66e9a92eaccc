{#-
    train or validation, by hash of the user: the same at every run and on every engine. 256 buckets are enough for a share
    in percent.
-#}
{% macro user_split(user_id) %}
    {%- set validation_below = '%02x' % (purchasing_power.setting('validation_share') * 256) | int -%}
    {{ return("case when substr(md5(" ~ user_id ~ "), 1, 2) < '" ~ validation_below ~ "' then 'validation' else 'train' end") }}
{% endmacro %}
