{#-
    What the encoder has to read in this run, a row a step: the new steps of users whose consumed past still
    stands, the whole history of everybody else (new users, users with late, corrected or deleted rows, a new champion).
    A view: the encoder alone reads it, once, and writing the steps down a second time took longer than making them.
-#}
{{ config(materialized='view') }}
{%- set channels = purchasing_power.channel_catalogue() -%}
with

champion as (

    select * from {{ ref('int_purchasing_power__champion') }}

),

scaling as (

    {{ purchasing_power.scaling_row('scaling_version = (select champion.scaling_version from champion)') }}

),

running_totals as (

    select
        user_id,
        step_index,
        step_on,
        next_step_on,
        digest
    from {{ ref('int_purchasing_power__running_totals') }}

),

known_states as (

    {{ purchasing_power.known_user_states() }}

),

resumable_states as (

    -- the user's first steps are, to a digest, those that the state was made of; the states themselves are fetched last
    select
        known_states.user_id,
        known_states.steps_consumed
    from known_states
    inner join champion on known_states.model_version = champion.model_version
    inner join running_totals
        on
            known_states.user_id = running_totals.user_id
            and known_states.steps_consumed = running_totals.step_index
    where known_states.consumed_digest = running_totals.digest

),

moved_users as (

    select
        ends.user_id,
        ends.step_on as last_step_on,
        ends.step_index as last_index,
        ends.digest,
        coalesce(resumable_states.steps_consumed, 0) as steps_consumed
    from running_totals as ends
    left join resumable_states on ends.user_id = resumable_states.user_id
    where
        ends.next_step_on is null
        and ends.step_index > coalesce(resumable_states.steps_consumed, 0)

),

resumed_states as (

    -- each beside the step that it is to read first
    select
        known_states.user_id,
        known_states.state,
        moved_users.steps_consumed + 1 as step_index
    from known_states
    inner join moved_users on known_states.user_id = moved_users.user_id
    where moved_users.steps_consumed > 0

),

to_consume as (

    select
        steps.user_id,
        steps.step_index,
        {{ purchasing_power.normalised_array(channels, 'channel', 'steps', 'scaling') }} as step,
        resumed_states.state as previous_state,
        moved_users.last_step_on,
        moved_users.last_index as steps_consumed,
        moved_users.digest as consumed_digest,
        moved_users.steps_consumed = 0 as is_from_scratch
    from {{ ref('purchasing_power__user_steps') }} as steps
    inner join moved_users
        on
            steps.user_id = moved_users.user_id
            and steps.step_index > moved_users.steps_consumed
    cross join scaling
    left join resumed_states
        on
            steps.user_id = resumed_states.user_id
            and steps.step_index = resumed_states.step_index

)

select * from to_consume
