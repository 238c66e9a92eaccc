{#- An order by list whose NULLs come last, ascending or not: each engine has another habit. -#}
{% macro nulls_last(order_by) %}
    {{ return(order_by.split(', ') | join(' nulls last, ') ~ ' nulls last') }}
{% endmacro %}
