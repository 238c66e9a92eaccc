{#- Whoever did anything has a state that consumed all of it. -#}
{% test purchasing_power__everybody_with_steps_has_a_state(model) %}
with

histories as (

    select
        user_id,
        count(*) as step_count
    from {{ ref('purchasing_power__user_steps') }}
    group by user_id

)

select
    histories.user_id,
    histories.step_count,
    states.steps_consumed
from histories
left join {{ model }} as states on histories.user_id = states.user_id
where
    states.user_id is null
    or states.steps_consumed != histories.step_count
{% endtest %}
