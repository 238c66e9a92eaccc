with

steps as (

    select * from {{ ref('purchasing_power__user_steps') }}

),

measured as (

    select
        user_id,
        step_index,
        {{ purchasing_power.rendered_columns(purchasing_power.point_columns()) | join(',\n        ') }}
    from steps

),

running_totals as (

    select
        {{ (['user_id', 'step_index', 'step_on'] + purchasing_power.sliding_columns()) | join(',\n        ') }},
        {{ purchasing_power.running_columns() | join(',\n        ') }}
    from measured
    window so_far as (partition by user_id order by step_index rows unbounded preceding)

)

select * from running_totals
