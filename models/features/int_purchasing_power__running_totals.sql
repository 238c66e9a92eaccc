with

steps as (

    select * from {{ ref('purchasing_power__user_steps') }}

),

measured as (

    select
        user_id,
        step_index,
        step_on,
        1 as is_step,
        case when orders > 0 then step_on end as order_on,
        nullif(days_since_previous_order, 0) as order_gap,
        nullif(days_since_previous_order, 0) * days_since_previous_order as order_gap_square,
        {{ purchasing_power.totalled_columns() | join(',\n        ') }}
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
