{% test purchasing_power__between(model, column_name, lowest=none, highest=none) %}
select {{ column_name }}
from {{ model }}
where
    1 = 0
    {%- if lowest is not none %}
    or not {{ column_name }} >= {{ lowest }}
    {%- endif %}
    {%- if highest is not none %}
    or not {{ column_name }} <= {{ highest }}
    {%- endif %}
{% endtest %}
