{#- What the sentiment model reads in this run: texts it did not read before; all of them under a new model. -#}
with

reviews as (

    select * from {{ ref('stg_purchasing_power__reviews') }}

),

model_in_use as (

    select model_version
    from {{ ref('purchasing_power__input_models') }}
    where kind = 'sentiment'
    order by fitted_at desc, model_version desc
    limit 1

),

known_sentiment as (

    {{ purchasing_power.known_review_sentiment() }}

),

read_before as (

    select known_sentiment.text_md5
    from known_sentiment
    inner join model_in_use on known_sentiment.model_version = model_in_use.model_version

),

texts as (

    select distinct
        md5(review_text) as text_md5,
        review_text
    from reviews
    where
        review_text is not null
        and rating is null

),

texts_to_read as (

    select texts.*
    from texts
    cross join model_in_use
    left join read_before on texts.text_md5 = read_before.text_md5
    where read_before.text_md5 is null

)

select * from texts_to_read
