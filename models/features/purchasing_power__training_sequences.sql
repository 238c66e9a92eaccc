{%- set channels = purchasing_power.channel_catalogue() -%}
{%- set context = purchasing_power.context_features() -%}
{%- set horizon = purchasing_power.setting('horizon_days') | int -%}
with

settings as (

    select * from {{ ref('purchasing_power__settings') }}

),

scaling as (

    {{ purchasing_power.scaling_row('scaling_version = (select settings.scaling_version from settings)') }}

),

normalised_steps as (

    select
        steps.user_id,
        steps.step_index,
        {{ purchasing_power.normalised_array(channels, 'channel', 'steps', 'scaling') }} as step
    from {{ ref('purchasing_power__user_steps') }} as steps
    cross join scaling
    where steps.user_id in (select anchors.user_id from {{ ref('purchasing_power__anchors') }} as anchors)

),

normalised_anchors as (

    select
        anchors.user_id,
        anchors.split,
        anchors.anchor_on,
        cast(anchors.steps_before as integer) as steps_before,
        cast(greatest(anchors.spend_{{ horizon }}d, 0) as {{ purchasing_power.type_double() }}) as past_spend,
        cast(anchors.label_spend as {{ purchasing_power.type_double() }}) as label_spend,
        cast(anchors.label_orders as integer) as label_orders,
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
        {{ purchasing_power.ordered_array('steps_before', 'anchor_on') }} as steps_before,
        {{ purchasing_power.ordered_flat_array('context', 'anchor_on') }} as context,
        {{ purchasing_power.ordered_array('past_spend', 'anchor_on') }} as past_spend,
        {{ purchasing_power.ordered_array('label_spend', 'anchor_on') }} as spend,
        {{ purchasing_power.ordered_array('label_orders', 'anchor_on') }} as orders
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
