{#- Everybody's state under the champion (a CTE beside it), as it is when the head reads it. -#}
{% macro current_states() %}
    {{ return(adapter.dispatch('current_states', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__current_states() %}
    select
        user_states.user_id,
        user_states.state
    from {{ ref('purchasing_power__user_states') }} as user_states
    inner join champion on user_states.model_version = champion.model_version
{% endmacro %}

{#- One command runs encoder and head, and only then does dbt merge the states that moved: until then they are apart. -#}
{% macro postgres__current_states() %}
    select
        moved.user_id,
        moved.state
    from {{ ref('int_purchasing_power__state_updates') }} as moved
    inner join champion on moved.model_version = champion.model_version
    union all
    select
        known.user_id,
        known.state
    from ({{ purchasing_power.known_user_states() }}) as known
    inner join champion on known.model_version = champion.model_version
    where not exists (
        select 1
        from {{ ref('int_purchasing_power__state_updates') }} as moved
        where
            moved.user_id = known.user_id
            and moved.model_version = known.model_version
    )
{% endmacro %}
