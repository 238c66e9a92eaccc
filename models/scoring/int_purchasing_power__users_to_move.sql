{#-
    Whose state has to move in this run, and from where: users with steps beyond a state whose consumed past still
    stands; and everybody else from scratch (new users, users with late, corrected or deleted rows, a new champion).
-#}
with

champion as (

    select * from {{ ref('int_purchasing_power__champion') }}

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

    -- the user's first steps are, to a digest, those that the state was made of
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

moving as (

    select
        ends.user_id,
        coalesce(resumable_states.steps_consumed, 0) as steps_before,
        ends.step_index as steps_consumed,
        ends.step_on as last_step_on,
        ends.digest as consumed_digest
    from running_totals as ends
    left join resumable_states on ends.user_id = resumable_states.user_id
    where
        ends.next_step_on is null
        and ends.step_index > coalesce(resumable_states.steps_consumed, 0)

)

select * from moving
