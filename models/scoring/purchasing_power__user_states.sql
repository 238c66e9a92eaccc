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
