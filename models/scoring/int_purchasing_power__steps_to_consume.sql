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

steps as (

    select
        *,
        {{ purchasing_power.step_digest() }} as step_digest
    from {{ ref('purchasing_power__user_steps') }}

),

known_states as (

    {{ purchasing_power.known_user_states() }}

),

champion_states as (

    select known_states.*
    from known_states
    inner join champion on known_states.model_version = champion.model_version

),

consumed_as_they_stand_now as (

    select
        steps.user_id,
        count(*) as step_count,
        sum(steps.step_digest) as digest
    from steps
    inner join champion_states on steps.user_id = champion_states.user_id
    where steps.step_on <= champion_states.last_step_on
    group by steps.user_id

),

resumable_states as (

    select champion_states.*
    from champion_states
    inner join consumed_as_they_stand_now as present on champion_states.user_id = present.user_id
    where
        champion_states.steps_consumed = present.step_count
        and champion_states.consumed_digest = present.digest

),

pending_steps as (

    select
        steps.user_id,
        steps.step_index,
        {{ purchasing_power.normalised_array(channels, 'channel', 'steps', 'scaling') }} as step
    from steps
    cross join scaling
    left join resumable_states on steps.user_id = resumable_states.user_id
    where
        resumable_states.user_id is null
        or steps.step_on > resumable_states.last_step_on

),

packed as (

    select
        user_id,
        cast(count(*) as integer) as n_steps,
        {{ purchasing_power.ordered_flat_array('step', 'step_index') }} as steps
    from pending_steps
    group by user_id

),

history as (

    select
        user_id,
        max(step_on) as last_step_on,
        count(*) as steps_consumed,
        cast(sum(step_digest) as decimal(38, 0)) as consumed_digest
    from steps
    group by user_id

),

to_consume as (

    select
        packed.user_id,
        packed.n_steps,
        packed.steps,
        resumable_states.state as previous_state,
        history.last_step_on,
        history.steps_consumed,
        history.consumed_digest
    from packed
    inner join history on packed.user_id = history.user_id
    left join resumable_states on packed.user_id = resumable_states.user_id

)

select * from to_consume
