{{ config(materialized='view') }}

{%- set lowest, highest = purchasing_power.setting('rating_scale') -%}
{%- set known_values = purchasing_power.known_values(
    'reviews', 'reviewed_at, review_id, mapping_position, product_id, rating, review_text'
) -%}
{%- set cleans = purchasing_power.cleaning_rules('reviews') | length > 0 -%}
with

checked as (

    select * from {{ ref('int_purchasing_power__reviews_checked') }}
    where rejection_reason is null

),

{% if cleans -%}
{{ purchasing_power.with_cleaning('reviews', 'checked') }},

capped as (

    select
        {{ purchasing_power.capped_columns('reviews') | join(',\n        ') }},
        limited.*
    from limited

),

{% if known_values -%}
tracked as (

    select
        {{ known_values | join(',\n        ') }},
        capped.*
    from capped

),

{% endif -%}
{% endif -%}
renamed as (

    select

        ----------  ids
        review_id,
        mapping_position,
        user_id,
        product_id,

        ----------  text
        review_text,

        ----------  numerics
        -- a rating off the scale is none
        case when rating between {{ lowest }} and {{ highest }} then rating end as rating,
        {% for column in purchasing_power.cleaning_rules('reviews') -%}
        {{ purchasing_power.filled('reviews', column) }} as {{ column }},
        {% endfor %}

        {% if cleans -%}
        ----------  booleans
        {% for column in purchasing_power.cleaning_rules('reviews') -%}
        {{ column }} is null as is_{{ column }}_missing,
        {% endfor %}
        {% endif -%}

        ----------  timestamps
        reviewed_at

    from {{ ('tracked' if known_values else 'capped') if cleans else 'checked' }}

)

select * from renamed
