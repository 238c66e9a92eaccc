{#- All that the model reads of the users to explain, a row each. A view: what explains them alone reads it. -#}
{{ config(materialized=purchasing_power.materialized_for_one_reader()) }}
{%- set channels = purchasing_power.channel_catalogue() -%}
{%- set context_features = purchasing_power.context_features() -%}
{%- set at = '(select as_of_date from ' ~ ref('int_purchasing_power__as_of') ~ ')' -%}
{%- set anchors %}(

    select
        users.user_id,
        users.first_seen_on,
        explained.as_of_date as anchor_on
    from {{ ref('purchasing_power__users') }} as users
    inner join {{ ref('int_purchasing_power__users_to_explain') }} as explained on users.user_id = explained.user_id

){% endset %}

{{ purchasing_power.context_windows(anchors, at=at) }},

champion as (

    select * from {{ ref('int_purchasing_power__champion') }}

),

scaling as (

    {{ purchasing_power.scaling_row('scaling_version = (select champion.scaling_version from champion)') }}

),

users_to_explain as (

    select * from {{ ref('int_purchasing_power__users_to_explain') }}

),

normalised_steps as (

    select
        steps.user_id,
        steps.step_index,
        {{ purchasing_power.normalised_array(channels, 'channel', 'steps', 'scaling') }} as step
    from {{ ref('purchasing_power__user_steps') }} as steps
    inner join users_to_explain on steps.user_id = users_to_explain.user_id
    cross join scaling

),

packed_steps as (

    select
        user_id,
        cast(count(*) as integer) as n_steps,
        {{ purchasing_power.ordered_flat_array('step', 'step_index') }} as steps
    from normalised_steps
    group by user_id

),

normalised_context as (

    select
        context.user_id,
        {{ purchasing_power.normalised_array(context_features, 'context', 'context', 'scaling') }} as context
    from context
    cross join scaling

),

explanation_inputs as (

    select
        users_to_explain.user_id,
        users_to_explain.average_expected_spend,
        users_to_explain.is_explained,
        users_to_explain.is_reference,
        coalesce(packed_steps.n_steps, 0) as n_steps,
        coalesce(packed_steps.steps, {{ purchasing_power.empty_float_array() }}) as steps,
        normalised_context.context
    from users_to_explain
    inner join normalised_context on users_to_explain.user_id = normalised_context.user_id
    left join packed_steps on users_to_explain.user_id = packed_steps.user_id

)

select * from explanation_inputs
