{#- Condition: a group of so many users may be shown, purchasing_power__smallest_group being the fewest; nobody is no group. -#}
{% macro may_be_shown(users) %}
    {{ return('(' ~ users ~ ' = 0 or ' ~ users ~ ' >= ' ~ purchasing_power.setting('smallest_group') ~ ')') }}
{% endmacro %}


{#- How a table is kept that forgets old rows where purchasing_power__retention_days says so. -#}
{% macro materialized_with_retention() %}
    {{ return('incremental' if purchasing_power.setting('retention_days') is none else purchasing_power.materialized_by_user()) }}
{% endmacro %}


{#- Whether such a table is there from an earlier run, and this one adds to it. -#}
{% macro adds_to_history() %}
    {{ return(is_incremental() or purchasing_power.is_later_run()) }}
{% endmacro %}


{#- Pre-hook of such a table: takes out what is of scorings further back than purchasing_power__retention_days. -#}
{% macro clear_expired() %}
    {%- set days = purchasing_power.setting('retention_days') -%}
    {%- set as_of = ref('int_purchasing_power__as_of') -%}
    {%- if days is none or not purchasing_power.is_later_run() -%}
        {{ return('') }}
    {%- endif -%}
    {{ return(purchasing_power.cleared(['as_of_date < (select known.as_of_date from ' ~ as_of ~ ' as known) - ' ~ days])) }}
{% endmacro %}
