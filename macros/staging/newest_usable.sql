{#- Aggregate: the newest time between the earliest date and today, of the rows that a condition picks. -#}
{% macro newest_usable(condition) %}
    {{ return(
        'max(case when ' ~ condition ~ " and occurred_at >= cast('" ~ purchasing_power.setting('earliest_date')
        ~ "' as date) and occurred_at < " ~ purchasing_power.tomorrow() ~ ' then occurred_at end)'
    ) }}
{% endmacro %}
