{#-
    The keys in the changed users' rows, as they were and as they are: of the rows that share one, whoever gives them, one
    stays, and it may now be another. Nothing when everything is read anyway.
-#}
-- depends_on: {{ ref('purchasing_power__order_lines') }}
-- depends_on: {{ ref('purchasing_power__browse_events') }}
-- depends_on: {{ ref('purchasing_power__reviews') }}
-- depends_on: {{ ref('int_purchasing_power__changed_users') }}
with

touched_keys as (

    {% for rows in purchasing_power.rows_before_and_now() -%}
    select
        '{{ rows.relation }}' as relation,
        given.mapping_position,
        given.{{ rows.key }} as row_key
    from {{ rows.of }} as given
    inner join {{ ref('int_purchasing_power__changed_users') }} as changed_users
        on {{ purchasing_power.digest_user('given.user_id') }} = changed_users.user_id
    where given.{{ rows.key }} is not null
    union
    {% endfor -%}
    select
        cast(null as {{ dbt.type_string() }}) as relation,
        cast(null as {{ dbt.type_int() }}) as mapping_position,
        cast(null as {{ dbt.type_string() }}) as row_key
    where 1 = 0

)

select * from touched_keys
