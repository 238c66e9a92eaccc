-- depends_on: {{ ref('stg_purchasing_power__reviews') }}
{{ config(
    materialized=purchasing_power.materialized_by_user(),
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ purchasing_power.clear_texts() }}",
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
