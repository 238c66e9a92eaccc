{#-
    The keys that a changed user's rows, as they were or as they are, share with rows of users that did not change: of the
    rows that share one, one stays, and it may now be another. None when everything is read anyway.
-#}
-- depends_on: {{ ref('purchasing_power__order_lines') }}
-- depends_on: {{ ref('purchasing_power__browse_events') }}
-- depends_on: {{ ref('purchasing_power__reviews') }}
-- depends_on: {{ ref('int_purchasing_power__changed_users') }}
with

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
touched_keys as (

    {% for log in purchasing_power.logs_checked_before() -%}
    select distinct
        '{{ log.name }}' as relation,
        mapping_position,
        {{ log.key }} as row_key
    from {{ log.checked }}
    where
        (mapping_position, {{ log.key }}) in (
            select (changed.mapping_position, changed.{{ log.key }}) from keys_of_changed_{{ log.name }} as changed
        )
        and not {{ purchasing_power.is_changed() }}
    union all
    {% endfor -%}
    select
        cast(null as {{ dbt.type_string() }}) as relation,
        cast(null as {{ dbt.type_int() }}) as mapping_position,
        cast(null as {{ dbt.type_string() }}) as row_key
    where 1 = 0

)

select * from touched_keys
