{#-
    What the encoder has to read in this run, a row a step. A view: the encoder alone reads it, once, some users at a
    time, and writing the steps down a second time took longer than making them.
-#}
{{ config(materialized=purchasing_power.materialized_for_one_reader()) }}

{%- set channels = purchasing_power.channel_catalogue() -%}
with

champion as (

    select * from {{ ref('int_purchasing_power__champion') }}

),

scaling as (

    {{ purchasing_power.scaling_row('scaling_version = (select champion.scaling_version from champion)') }}

),

moving as (

    select * from {{ ref('int_purchasing_power__users_to_move') }}

),

known_states as (

    {{ purchasing_power.known_user_states() }}

),

resumed_states as (

    -- each beside the step that it is to read first
    select
        known_states.user_id,
        known_states.state,
        moving.steps_before + 1 as step_index
    from known_states
    inner join moving on known_states.user_id = moving.user_id
    where moving.steps_before > 0

),

to_consume as (

    select
        steps.user_id,
        steps.step_index,
        {{ purchasing_power.normalised_array(channels, 'channel', 'steps', 'scaling') }} as step,
        -- what is known of a user stands in the first row alone
        resumed_states.state as previous_state,
        case when steps.step_index = moving.steps_before + 1 then moving.last_step_on end as last_step_on,
        case when steps.step_index = moving.steps_before + 1 then moving.steps_consumed end as steps_consumed,
        case
            when steps.step_index = moving.steps_before + 1 then cast(moving.consumed_digest as {{ dbt.type_string() }})
        end as consumed_digest
    from {{ ref('purchasing_power__user_steps') }} as steps
    inner join moving
        on
            steps.user_id = moving.user_id
            and steps.step_index > moving.steps_before
    cross join scaling
    left join resumed_states
        on
            steps.user_id = resumed_states.user_id
            and steps.step_index = resumed_states.step_index

)

select * from to_consume
