{#- Columns stay within their bounds, `name: [lowest, highest]`, of which either may be null: one test for many, as for NULL. -#}
{% test purchasing_power__ranges(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
where
    1 = 0
    {%- for column, bounds in columns.items() %}
    {%- if bounds[0] is not none %}
    or not {{ column }} >= {{ bounds[0] }}
    {%- endif %}
    {%- if bounds[1] is not none %}
    or not {{ column }} <= {{ bounds[1] }}
    {%- endif %}
    {%- endfor %}
{% endtest %}
