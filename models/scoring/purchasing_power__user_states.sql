-- depends_on: {{ ref('purchasing_power__user_steps') }}
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='user_id',
    on_schema_change='fail',
    post_hook="delete from {{ this }} where user_id not in (select user_id from {{ ref('purchasing_power__user_steps') }})",
) }}

with

state_updates as (

    select * from {{ ref('int_purchasing_power__state_updates') }}

),

users_to_move as (

    select * from {{ ref('int_purchasing_power__users_to_move') }}

),

user_states as (

    select
        state_updates.user_id,
        users_to_move.last_step_on,
        users_to_move.steps_consumed,
        users_to_move.consumed_digest,
        state_updates.state,
        state_updates.model_version
    from state_updates
    inner join users_to_move on state_updates.user_id = users_to_move.user_id

)

select * from user_states
