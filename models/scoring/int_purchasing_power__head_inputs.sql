{#-
    Everybody, every run: the state after their last step, and their context as of today, which moves by itself. A view,
    which the head alone reads.
-#}
{{ config(materialized=purchasing_power.materialized_for_one_reader()) }}
{%- set context_features = purchasing_power.context_features() -%}
{%- set at = '(select as_of_date from ' ~ ref('int_purchasing_power__as_of') ~ ')' -%}
{%- set anchors %}(

    select
        users.user_id,
        users.first_seen_on,
        as_of.as_of_date as anchor_on
    from {{ ref('purchasing_power__users') }} as users
    cross join {{ ref('int_purchasing_power__as_of') }} as as_of

){% endset %}

{{ purchasing_power.context_windows(anchors, at=at) }},

champion as (

    select * from {{ ref('int_purchasing_power__champion') }}

),

scaling as (

    {{ purchasing_power.scaling_row('scaling_version = (select champion.scaling_version from champion)') }}

),

current_states as (

    {{ purchasing_power.current_states() }}

),

head_inputs as (

    select
        context.user_id,
        context.anchor_on as as_of_date,
        current_states.state,
        {{ purchasing_power.normalised_array(context_features, 'context', 'context', 'scaling') }} as context
    from context
    cross join scaling
    left join current_states
        on
            context.user_id = current_states.user_id
            -- a state outlives the rows it was made from; without a step there is none
            and context.steps_before > 0

)

select * from head_inputs
