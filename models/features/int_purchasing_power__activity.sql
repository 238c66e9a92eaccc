{{ config(materialized='view') }}

with

order_lines as (

    select * from {{ ref('stg_purchasing_power__order_lines') }}

),

browse_events as (

    select * from {{ ref('stg_purchasing_power__browse_events') }}

),

reviews as (

    select * from {{ ref('stg_purchasing_power__reviews') }}

),

products as (

    select * from {{ ref('stg_purchasing_power__products') }}

),

order_activity as (

    select
        'order_line' as activity,
        order_lines.user_id,
        order_lines.ordered_at as occurred_at,
        order_lines.product_id,
        products.category,
        order_lines.order_id,
        order_lines.quantity,
        order_lines.amount,
        order_lines.discount_amount,
        cast(null as {{ purchasing_power.contract_type('text') }}) as event_type,
        cast(null as {{ purchasing_power.contract_type('integer') }}) as event_count,
        cast(null as {{ purchasing_power.contract_type('number') }}) as duration_seconds,
        cast(null as {{ purchasing_power.contract_type('number') }}) as rating
    from order_lines
    left join products on order_lines.product_id = products.product_id

),

browse_activity as (

    select
        'browse_event' as activity,
        user_id,
        occurred_at,
        product_id,
        cast(null as {{ purchasing_power.contract_type('text') }}) as category,
        cast(null as {{ purchasing_power.contract_type('text') }}) as order_id,
        cast(null as {{ purchasing_power.contract_type('number') }}) as quantity,
        cast(null as {{ purchasing_power.contract_type('money') }}) as amount,
        cast(null as {{ purchasing_power.contract_type('money') }}) as discount_amount,
        event_type,
        event_count,
        duration_seconds,
        cast(null as {{ purchasing_power.contract_type('number') }}) as rating
    from browse_events

),

review_activity as (

    select
        'review' as activity,
        user_id,
        reviewed_at as occurred_at,
        product_id,
        cast(null as {{ purchasing_power.contract_type('text') }}) as category,
        cast(null as {{ purchasing_power.contract_type('text') }}) as order_id,
        cast(null as {{ purchasing_power.contract_type('number') }}) as quantity,
        cast(null as {{ purchasing_power.contract_type('money') }}) as amount,
        cast(null as {{ purchasing_power.contract_type('money') }}) as discount_amount,
        cast(null as {{ purchasing_power.contract_type('text') }}) as event_type,
        cast(null as {{ purchasing_power.contract_type('integer') }}) as event_count,
        cast(null as {{ purchasing_power.contract_type('number') }}) as duration_seconds,
        rating
    from reviews

),

activity as (

    select * from order_activity
    union all
    select * from browse_activity
    union all
    select * from review_activity

)

select * from activity
