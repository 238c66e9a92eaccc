{#-
    Whose steps this run makes anew: changed users, those that share a key with one, and everybody when texts or embeddings
    are read by another model.
-#}
with

known as (

    {{ purchasing_power.known_consumed_inputs() }}

),

inputs_version as (

    select * from {{ ref('int_purchasing_power__inputs_version') }}

),

digests as (

    select * from {{ ref('int_purchasing_power__input_digests') }}

),

found as (

    select user_id from {{ ref('int_purchasing_power__changed_users') }}
    {% for input_name in ['order_lines', 'browse_events', 'reviews'] -%}
    {% set checked = ref('int_purchasing_power__' ~ input_name ~ '_checked') -%}
    {% if purchasing_power.has_input(input_name, purchasing_power.input_keys(input_name)[0]) -%}
    union
    select user_id from {{ checked }}
    where {{ purchasing_power.has_touched_key(input_name) }}
    {% endif -%}
    {% endfor -%}
    union
    select digests.user_id
    from digests
    cross join inputs_version
    left join known on digests.user_id = known.user_id
    where
        known.user_id is null
        or known.inputs_version != inputs_version.inputs_version

),

users_to_rebuild as (

    select user_id from found
    where user_id != ''

)

select * from users_to_rebuild
