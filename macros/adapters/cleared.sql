{#-
    How a table is kept whose rows of some users each run makes anew: rows that satisfy a condition are taken out before the
    run's own are added. Where no table can be deleted from, as those of Parquet files cannot, all that stays is written
    again with what is new, and the new table takes the place of the old.
-#}
{% macro materialized_by_user() %}
    {{ return(adapter.dispatch('materialized_by_user', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__materialized_by_user() %}
    {{ return('incremental') }}
{% endmacro %}

{% macro spark__materialized_by_user() %}
    {{ return('purchasing_power_swapped') }}
{% endmacro %}


{#- Whether such a table is there from an earlier run, and this one adds to it. -#}
{% macro is_later_run() %}
    {{ return(adapter.dispatch('is_later_run', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__is_later_run() %}
    {{ return(is_incremental()) }}
{% endmacro %}

{% macro spark__is_later_run() %}
    {{ return(
        execute and model.config.materialized == purchasing_power.materialized_by_user() and model.config['pre-hook'] | length > 0
        and not should_full_refresh() and load_relation(this) is not none
    ) }}
{% endmacro %}


{#- Pre-hook of such a table: takes out the rows that satisfy any of some conditions. -#}
{% macro cleared(conditions) %}
    {{ return(adapter.dispatch('cleared', 'purchasing_power')(conditions)) }}
{% endmacro %}

{% macro default__cleared(conditions) %}
    {{ return('delete from ' ~ this ~ ' where ' ~ conditions | join(' or ')) }}
{% endmacro %}

{#- One at a time: of conditions under an `or` no joins are made, and a long list that is no join is read for each row. -#}
{% macro postgres__cleared(conditions) %}
    {%- set statements = [] -%}
    {%- for condition in conditions -%}
        {%- do statements.append('delete from ' ~ this ~ ' where ' ~ condition) -%}
    {%- endfor -%}
    {{ return(statements | join('; ')) }}
{% endmacro %}

{% macro spark__cleared(conditions) %}
    {{ return(
        'create or replace temporary view ' ~ purchasing_power.kept_view() ~ ' as select * from ' ~ this
        ~ ' where not coalesce(' ~ conditions | join(' or ') ~ ', false)'
    ) }}
{% endmacro %}

{#- What of the table stays. -#}
{% macro kept_view() %}
    {{ return(this.identifier ~ '__kept') }}
{% endmacro %}
