{%- set channels = purchasing_power.channel_catalogue() -%}
{%- set context = purchasing_power.context_features() -%}
{%- set horizon = purchasing_power.setting('horizon_days') | int -%}
with

newest_version as (

    select scaling_version
    from {{ ref('purchasing_power__scaling') }}
    where feature_hash = '{{ purchasing_power.feature_hash() }}'
    order by fitted_at desc, fitted_before desc, scaling_version desc
    limit 1

),

scaling as (

    {{ purchasing_power.scaling_row('scaling_version = (select newest_version.scaling_version from newest_version)') }}

),

normalised_steps as (

    select
        steps.user_id,
        steps.step_index,
        {{ purchasing_power.normalised_array(channels, 'channel', 'steps', 'scaling') }} as step
    from {{ ref('purchasing_power__user_steps') }} as steps
    cross join scaling

),

normalised_anchors as (

    select
        anchors.user_id,
        anchors.split,
        anchors.anchor_on,
        anchors.steps_before,
        anchors.spend_{{ horizon }}d as past_spend,
        anchors.label_spend,
        anchors.label_orders,
        {{ purchasing_power.normalised_array(context, 'context', 'anchors', 'scaling') }} as context
    from {{ ref('purchasing_power__anchors') }} as anchors
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

packed_anchors as (

    select
        user_id,
        split,
        cast(count(*) as integer) as n_anchors,
        {{ purchasing_power.ordered_array('anchor_on', 'anchor_on') }} as anchor_on,
        {{ purchasing_power.ordered_array('cast(steps_before as integer)', 'anchor_on') }} as steps_before,
        {{ purchasing_power.ordered_flat_array('context', 'anchor_on') }} as context,
        {{ purchasing_power.ordered_array('cast(past_spend as double)', 'anchor_on') }} as past_spend,
        {{ purchasing_power.ordered_array('cast(label_spend as double)', 'anchor_on') }} as spend,
        {{ purchasing_power.ordered_array('cast(label_orders as integer)', 'anchor_on') }} as orders
    from normalised_anchors
    group by user_id, split

),

packed as (

    select
        packed_anchors.user_id,
        packed_anchors.split,
        coalesce(packed_steps.n_steps, 0) as n_steps,
        coalesce(packed_steps.steps, {{ purchasing_power.empty_float_array() }}) as steps,
        packed_anchors.n_anchors,
        packed_anchors.anchor_on,
        packed_anchors.steps_before,
        packed_anchors.context,
        packed_anchors.past_spend,
        packed_anchors.spend,
        packed_anchors.orders
    from packed_anchors
    left join packed_steps on packed_anchors.user_id = packed_steps.user_id

)

select * from packed
