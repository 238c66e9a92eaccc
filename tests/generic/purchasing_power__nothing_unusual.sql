{#- No row satisfies a condition that calls for somebody's attention; how loud, purchasing_power__monitoring.severity says. -#}
{% test purchasing_power__nothing_unusual(model, check, condition) %}
{%- set severity = purchasing_power.monitoring_severity(check) -%}
{{ config(severity='error' if severity == 'error' else 'warn', enabled=severity != 'off') }}
select * from {{ model }}
where {{ condition }}
{% endtest %}
