{#-
    The keys that a changed user's rows, as they were or as they are, share with rows of users that did not change: of the
    rows that share one, one stays, and it may now be another. None when everything is read anyway. Keys of a run that did
    not come to its end stay: it may have judged their rows again, which then tell nothing, and not made the steps.
-#}
{%- set before = purchasing_power.built_before(this.name) -%}
{%- set consumed = purchasing_power.built_before('int_purchasing_power__consumed_inputs') %}
-- depends_on: {{ ref('purchasing_power__order_lines') }}
-- depends_on: {{ ref('purchasing_power__browse_events') }}
-- depends_on: {{ ref('purchasing_power__reviews') }}
-- depends_on: {{ ref('int_purchasing_power__changed_users') }}
with

run as (

    select {{ purchasing_power.run_stamp() }} as run_stamp

),

{% for log in purchasing_power.logs_checked_before() -%}
keys_of_changed_{{ log.name }} as (

    select
        mapping_position,
        {{ log.key }}
    from {{ log.checked }}
    where {{ purchasing_power.is_changed() }}
    union all
    select
        mapping_position,
        {{ log.key }}
    from {{ ref('purchasing_power__' ~ log.name) }}
    where {{ purchasing_power.is_changed() }}

),

{% endfor -%}
found as (

    {% for log in purchasing_power.logs_checked_before() -%}
    select distinct
        '{{ log.name }}' as relation,
        mapping_position,
        {{ log.key }} as row_key
    from {{ log.checked }} as checked
    where
        (mapping_position, {{ log.key }}) in (
            select changed.mapping_position, changed.{{ log.key }} from keys_of_changed_{{ log.name }} as changed
        )
        and {{ purchasing_power.is_unknown('checked.user_id', ref('int_purchasing_power__changed_users')) }}
    union all
    {% endfor -%}
    select
        cast(null as {{ dbt.type_string() }}) as relation,
        cast(null as {{ dbt.type_int() }}) as mapping_position,
        cast(null as {{ dbt.type_string() }}) as row_key
    where 1 = 0

),

touched_keys as (

    select
        found.relation,
        found.mapping_position,
        found.row_key,
        run.run_stamp
    from found
    cross join run
    {% if before is not none and consumed is not none -%}
    union
    select
        before.relation,
        before.mapping_position,
        before.row_key,
        run.run_stamp
    from {{ before }} as before
    cross join run
    where before.run_stamp not in (select consumed.run_stamp from {{ consumed }} as consumed)
    {%- endif %}

)

select * from touched_keys
