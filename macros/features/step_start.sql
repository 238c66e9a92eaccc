{#- The date on which the step of a time begins: the day itself, or the Monday of its week. -#}
{% macro step_start(time) %}
    {%- if purchasing_power.setting('step_grain') == 'week' -%}
        {{ return("cast(date_trunc('week', " ~ time ~ ') as date)') }}
    {%- endif -%}
    {{ return('cast(' ~ time ~ ' as date)') }}
{% endmacro %}
