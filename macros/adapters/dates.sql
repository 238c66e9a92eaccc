{#- Midnight that ends today, in UTC: what lies behind it has not happened yet. -#}
{% macro tomorrow() %}
    {{ return('(' ~ purchasing_power.today() ~ ' + 1)') }}
{% endmacro %}


{#- The day that it is in UTC. -#}
{% macro today() %}
    {{ return(adapter.dispatch('today', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__today() %}
    {{ return('current_date') }}
{% endmacro %}

{#- dbt opens a session a thread, and no hook reaches them all: nothing may depend on a session's zone. -#}
{% macro postgres__today() %}
    {{ return("cast(current_timestamp at time zone 'UTC' as date)") }}
{% endmacro %}


{#- Whole days from one date to a later one. -#}
{% macro days_between(earlier, later) %}
    {{ return(adapter.dispatch('days_between', 'purchasing_power')(earlier, later)) }}
{% endmacro %}

{% macro default__days_between(earlier, later) %}
    {{ return(dbt.datediff(earlier, later, 'day')) }}
{% endmacro %}

{% macro duckdb__days_between(earlier, later) %}
    {{ return('(' ~ later ~ ' - ' ~ earlier ~ ')') }}
{% endmacro %}

{% macro postgres__days_between(earlier, later) %}
    {{ return('(' ~ later ~ ' - ' ~ earlier ~ ')') }}
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

{% macro postgres__day_of_week(date) %}
    {{ return('cast(extract(isodow from ' ~ date ~ ') - 1 as integer)') }}
{% endmacro %}

{% macro spark__day_of_week(date) %}
    {{ return('weekday(' ~ date ~ ')') }}
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

{% macro postgres__seconds_between(earlier, later) %}
    {{ return('cast(trunc(extract(epoch from ' ~ later ~ ' - ' ~ earlier ~ ')) as bigint)') }}
{% endmacro %}

{% macro spark__seconds_between(earlier, later) %}
    {{ return('((unix_micros(' ~ later ~ ') - unix_micros(' ~ earlier ~ ')) div 1000000)') }}
{% endmacro %}
