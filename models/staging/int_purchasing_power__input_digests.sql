{#-
    One pass over everything that the shop gives about its users. A row's hash covers what was written, and what stands
    beside it: the rate it was converted at, the product it is about. A sum of hashes does not depend on the order of rows.
-#}
{%- set product_columns = purchasing_power.columns_of_the_past('products') -%}
with

order_lines as (

    select * from {{ ref('int_purchasing_power__order_lines_priced') }}

),

browse_events as (

    select * from {{ ref('purchasing_power__browse_events') }}

),

reviews as (

    select * from {{ ref('purchasing_power__reviews') }}

),

products as (

    select
        product_id,
        {{ purchasing_power.row_hash(product_columns) }} as product_hash
    from {{ ref('stg_purchasing_power__products') }}

),

hashed as (

    -- the longest log first, see int_purchasing_power__activity
    select
        browse_events.user_id,
        {{ purchasing_power.row_hash([
            "'browse_events'", 'browse_events.mapping_position', 'browse_events.raw_hash', 'products.product_hash',
        ]) }} as row_hash,
        browse_events.occurred_at,
        null as cancelled_at,
        true as is_dated,
        true as is_browsed,
        coalesce(browse_events.event_count, 1) as event_count
    from browse_events
    left join products on browse_events.product_id = products.product_id
    union all
    select
        order_lines.user_id,
        {{ purchasing_power.row_hash([
            "'order_lines'", 'order_lines.mapping_position', 'order_lines.raw_hash', 'order_lines.exchange_rate',
            'products.product_hash',
        ]) }} as row_hash,
        order_lines.ordered_at as occurred_at,
        order_lines.cancelled_at,
        order_lines.exchange_rate is not null
        {%- if purchasing_power.cleaning_rules('order_lines').amount.fill == 'reject' %}
        and order_lines.amount is not null
        {%- endif %} as is_dated,
        false as is_browsed,
        0 as event_count
    from order_lines
    left join products on order_lines.product_id = products.product_id
    union all
    select
        user_id,
        {{ purchasing_power.row_hash(["'reviews'", 'mapping_position', 'raw_hash']) }} as row_hash,
        reviewed_at as occurred_at,
        null as cancelled_at,
        true as is_dated,
        false as is_browsed,
        0 as event_count
    from reviews

),

input_digests as (

    select
        {{ purchasing_power.digest_user('user_id') }} as user_id,
        cast(sum(row_hash) as decimal(38, 0)) as digest,
        max(greatest(occurred_at, cancelled_at)) as newest_at,
        {{ purchasing_power.newest_usable('is_dated and not is_browsed') }} as newest_order_or_review_at,
        {{ purchasing_power.newest_usable('is_browsed') }} as newest_browse_at,
        cast(sum(event_count) as {{ dbt.type_bigint() }}) as browse_event_count
    from hashed
    group by {{ purchasing_power.digest_user('user_id') }}

)

select * from input_digests
