{#- None of these columns is ever NULL: one test for many, as dbt reads each test anew in every command. -#}
{% test purchasing_power__no_nulls(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
where {{ columns | join(' is null or ') }} is null
{% endtest %}
