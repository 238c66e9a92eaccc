{#- A number to so many places behind the point. Portable SQL of the catalogues casts to a decimal instead, which rounds too. -#}
{% macro rounded(expression, places) %}
    {{ return(adapter.dispatch('rounded', 'purchasing_power')(expression, places)) }}
{% endmacro %}

{% macro default__rounded(expression, places) %}
    {{ return('round(' ~ expression ~ ', ' ~ places ~ ')') }}
{% endmacro %}

{#- Doubles are rounded to whole numbers alone; of a real a numeric keeps six digits, of a double fifteen. -#}
{% macro postgres__rounded(expression, places) %}
    {{ return('round(cast(cast(' ~ expression ~ ' as double precision) as numeric), ' ~ places ~ ')') }}
{% endmacro %}
