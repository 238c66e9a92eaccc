with

cleaning as (

    {{ purchasing_power.newest_cleaning() }}

),

input_models as (

    select
        model_version,
        kind,
        row_number() over (partition by kind order by fitted_at desc, model_version desc) as newest_first
    from {{ ref('purchasing_power__input_models') }}

),

parts as (

    select
        'cleaning' as kind,
        cleaning_version as version
    from cleaning
    union all
    select
        kind,
        model_version as version
    from input_models
    where newest_first = 1

),

inputs_version as (

    select
        substr(md5(
            {% for kind in ['cleaning', 'sentiment', 'embedding'] -%}
            coalesce(max(case when kind = '{{ kind }}' then version end), 'none'){{ " || ',' ||" if not loop.last }}
            {% endfor -%}
        ), 1, 12) as inputs_version
    from parts

)

select * from inputs_version
