{#-
    What the encoder has to read in this run, packed a user a row: the new steps of users whose consumed past still
    stands, the whole history of everybody else (new users, users with late, corrected or deleted rows, a new champion).
-#}
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
        digest
    from {{ ref('int_purchasing_power__running_totals') }}

),

known_states as (

    {{ purchasing_power.known_user_states() }}

),

champion_states as (

    select known_states.*
    from known_states
    inner join champion on known_states.model_version = champion.model_version

),

resumable_states as (

    -- the user's first steps are, to a digest, those that the state was made of
    select champion_states.*
    from champion_states
    inner join running_totals
        on
            champion_states.user_id = running_totals.user_id
            and champion_states.steps_consumed = running_totals.step_index
    where champion_states.consumed_digest = running_totals.digest

),

pending_steps as (

    select
        steps.user_id,
        steps.step_index,
        {{ purchasing_power.normalised_array(channels, 'channel', 'steps', 'scaling') }} as step
    from {{ ref('purchasing_power__user_steps') }} as steps
    cross join scaling
    left join resumable_states on steps.user_id = resumable_states.user_id
    where steps.step_index > coalesce(resumable_states.steps_consumed, 0)

),

packed as (

    select
        user_id,
        cast(count(*) as integer) as n_steps,
        {{ purchasing_power.ordered_flat_array('step', 'step_index') }} as steps
    from pending_steps
    group by user_id

),

ends as (

    select
        user_id,
        max(step_index) as last_index
    from running_totals
    group by user_id

),

to_consume as (

    select
        packed.user_id,
        packed.n_steps,
        packed.steps,
        resumable_states.state as previous_state,
        running_totals.step_on as last_step_on,
        running_totals.step_index as steps_consumed,
        running_totals.digest as consumed_digest
    from packed
    inner join ends on packed.user_id = ends.user_id
    inner join running_totals
        on
            ends.user_id = running_totals.user_id
            and ends.last_index = running_totals.step_index
    left join resumable_states on packed.user_id = resumable_states.user_id

)

select * from to_consume
