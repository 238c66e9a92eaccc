-- depends_on: {{ ref('stg_purchasing_power__reviews') }}
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='text_md5',
    on_schema_change='fail',
    post_hook="delete from {{ this }} where text_md5 not in (select md5(review_text) from {{ ref('stg_purchasing_power__reviews') }} where review_text is not null and rating is null)",
) }}

with

text_sentiment as (

    select * from {{ ref('int_purchasing_power__text_sentiment') }}

),

review_sentiment as (

    select
        text_md5,
        sentiment,
        model_version
    from text_sentiment

)

select * from review_sentiment
