{{ config(
    materialized=purchasing_power.materialized_by_user(),
    incremental_strategy='append',
    on_schema_change='sync_all_columns',
    pre_hook="{{ purchasing_power.clear_users() }}",
) }}

with

steps as (

    select * from {{ ref('purchasing_power__user_steps') }}
    {% if purchasing_power.is_later_run() -%}
    where {{ purchasing_power.is_rebuilt() }}
    {%- endif %}

),

measured as (

    select
        user_id,
        step_index,
        {{ purchasing_power.step_digest() }} as step_digest,
        {{ purchasing_power.rendered_columns(purchasing_power.point_columns()) | join(',\n        ') }}
    from steps

),

running_totals as (

    select
        {{ (['user_id', 'step_index', 'step_on'] + purchasing_power.sliding_columns()) | join(',\n        ') }},
        cast(sum(step_digest) over so_far as decimal(38, 0)) as digest,
        lead(step_on) over (partition by user_id order by step_index) as next_step_on,
        {{ purchasing_power.running_columns() | join(',\n        ') }}
    from measured
    window so_far as (partition by user_id order by step_index rows unbounded preceding)

)

select * from running_totals
