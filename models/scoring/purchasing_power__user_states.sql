-- depends_on: {{ ref('purchasing_power__user_steps') }}
{{ config(
    materialized=purchasing_power.materialized_by_user(),
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ purchasing_power.clear_states() }}",
) }}

with

state_updates as (

    select * from {{ ref('int_purchasing_power__state_updates') }}

),

user_states as (

    select
        user_id,
        last_step_on,
        steps_consumed,
        cast(consumed_digest as decimal(38, 0)) as consumed_digest,
        state,
        model_version
    from state_updates

)

select * from user_states
