-- depends_on: {{ ref('int_purchasing_power__product_factors') }}
{{ config(materialized='view') }}

{%- set lowest, highest = purchasing_power.setting('rating_scale') -%}
{%- set sentiment_of_rating = purchasing_power.rounded(
    '2.0 * (reviews.rating - ' ~ lowest ~ ') / ' ~ (highest - lowest) ~ ' - 1', 6
) -%}
{%- set price_level -%}
case
    when price > 0 and category_price > 0 then {{ purchasing_power.rounded('ln(price / category_price)', 6) }}
end
{%- endset -%}
{%- set own_of_orders = purchasing_power.given_by_user('order_lines') -%}
{%- set own_of_browsing = purchasing_power.given_by_user('browse_events') -%}
{%- set own_of_reviews = purchasing_power.given_by_user('reviews') -%}
with

as_of as (

    select * from {{ ref('int_purchasing_power__as_of') }}

),

order_lines as (

    select * from {{ ref('stg_purchasing_power__order_lines') }}
    where {{ purchasing_power.is_rebuilt() }}

),

browse_sessions as (

    select * from {{ ref('int_purchasing_power__browse_sessions') }}

),

reviews as (

    select * from {{ ref('stg_purchasing_power__reviews') }}
    where {{ purchasing_power.is_rebuilt() }}

),

review_sentiment as (

    select * from {{ ref('int_purchasing_power__review_sentiment') }}

),

products as (

    select * from {{ ref('stg_purchasing_power__products') }}

),

{% if purchasing_power.embedding_numbers() -%}
product_factors as (

    select
        {% for number in purchasing_power.embedding_numbers() -%}
        {%- set factor -%}
        cast({{ purchasing_power.array_element('factors', number) }} as {{ purchasing_power.type_double() }})
        {%- endset -%}
        {{ purchasing_power.rounded(factor, 6) }} as embedding_{{ number }},
        {% endfor -%}
        product_id
    from {{ ref('int_purchasing_power__product_factors') }}

),

{% endif -%}
category_prices as (

    -- what a category costs at the middle: fitted once, so that a price level does not move with the catalogue
    select
        category,
        max(case when column_name = 'unit_price' then median end) as unit_price,
        max(case when column_name = 'list_price' then median end) as list_price
    from {{ ref('purchasing_power__cleaning') }}
    where
        cleaning_version = ({{ purchasing_power.newest_cleaning() }})
        and category is not null
    group by category

),

bought as (

    select
        order_lines.*,
        cast(order_lines.amount as {{ purchasing_power.type_double() }}) / nullif(order_lines.quantity, 0) as price,
        {% for number in purchasing_power.embedding_numbers() -%}
        product_factors.embedding_{{ number }},
        {% endfor -%}
        category_prices.unit_price as category_price
    from order_lines
    left join category_prices on order_lines.category = category_prices.category
    {%- if purchasing_power.embedding_numbers() %}
    left join product_factors on order_lines.product_id = product_factors.product_id
    {%- endif %}
    where order_lines.amount >= 0

),

given_back as (

    -- dated when it became known: until then the order stood
    select
        order_lines.*,
        order_lines.ordered_at as given_back_at
    from order_lines
    where order_lines.amount < 0
    union all
    select
        order_lines.*,
        order_lines.cancelled_at as given_back_at
    from order_lines
    cross join as_of
    where
        order_lines.amount > 0
        and order_lines.cancelled_at < as_of.as_of_date

),

judged as (

    -- the rating where there is one, else the text where it was read, else nothing, which counts as neutral
    select
        reviews.*,
        coalesce({{ sentiment_of_rating }}, review_sentiment.sentiment) as sentiment
    from reviews
    left join review_sentiment on md5(reviews.review_text) = review_sentiment.text_md5

),

browsed as (

    select
        browse_sessions.*,
        products.category,
        cast(products.list_price as {{ purchasing_power.type_double() }}) as price,
        {% for number in purchasing_power.embedding_numbers() -%}
        product_factors.embedding_{{ number }},
        {% endfor -%}
        category_prices.list_price as category_price
    from browse_sessions
    left join products on browse_sessions.product_id = products.product_id
    left join category_prices on products.category = category_prices.category
    {%- if purchasing_power.embedding_numbers() %}
    left join product_factors on browse_sessions.product_id = product_factors.product_id
    {%- endif %}

),

activity as (

    -- the longest log first: of a union's branches the first says how an engine lays out what it sums up
    {{ purchasing_power.activity_rows('browse_event', 'browsed', dict(own_of_browsing, **{
        'occurred_at': 'occurred_at',
        'product_id': 'product_id',
        'category': 'category',
        'price_level': price_level,
        'event_type': 'event_type',
        'event_count': 'event_count',
        'starts_session': 'starts_session',
        'seconds': 'seconds',
    })) }}
    union all
    {{ purchasing_power.activity_rows('order_line', 'bought', dict(own_of_orders, **{
        'occurred_at': 'ordered_at',
        'product_id': 'product_id',
        'category': 'category',
        'order_id': 'order_id',
        'quantity': 'quantity',
        'amount': 'amount',
        'discount_amount': 'discount_amount',
        'price_level': price_level,
    })) }}
    union all
    {{ purchasing_power.activity_rows('refund', 'given_back', {
        'occurred_at': 'given_back_at',
        'order_id': 'order_id',
        'amount': '-abs(amount)',
    }) }}
    union all
    {{ purchasing_power.activity_rows('review', 'judged', dict(own_of_reviews, **{
        'occurred_at': 'reviewed_at',
        'product_id': 'product_id',
        'sentiment': 'sentiment',
    })) }}

)

select * from activity
