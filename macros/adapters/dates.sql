{#- Midnight that ends today, in UTC: what lies behind it has not happened yet. -#}
{% macro tomorrow() %}
    {{ return('(current_date + 1)') }}
{% endmacro %}


{#- Whole days from one date to a later one. -#}
{% macro days_between(earlier, later) %}
    {{ return(adapter.dispatch('days_between', 'purchasing_power')(earlier, later)) }}
{% endmacro %}

{% macro default__days_between(earlier, later) %}
    {{ return(dbt.datediff(earlier, later, 'day')) }}
{% endmacro %}


{#- A date as a whole number, for frames: those of numbers are found faster than those of intervals. -#}
{% macro day_number(date) %}
    {{ return(purchasing_power.days_between("cast('1970-01-01' as date)", date)) }}
{% endmacro %}


{#- Monday is 0, Sunday 6. -#}
{% macro day_of_week(date) %}
    {{ return(adapter.dispatch('day_of_week', 'purchasing_power')(date)) }}
{% endmacro %}

{% macro default__day_of_week(date) %}
    {{ purchasing_power.unsupported('day of the week') }}
{% endmacro %}

{% macro duckdb__day_of_week(date) %}
    {{ return('(isodow(' ~ date ~ ') - 1)') }}
{% endmacro %}


{#- Seconds from one time to a later one, whole ones. -#}
{% macro seconds_between(earlier, later) %}
    {{ return(adapter.dispatch('seconds_between', 'purchasing_power')(earlier, later)) }}
{% endmacro %}

{% macro default__seconds_between(earlier, later) %}
    {{ purchasing_power.unsupported('seconds between two times') }}
{% endmacro %}

{#- datediff counts boundaries that were crossed, which is the same for whole seconds alone. -#}
{% macro duckdb__seconds_between(earlier, later) %}
    {{ return("datesub('second', " ~ earlier ~ ', ' ~ later ~ ')') }}
{% endmacro %}
