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
        cleaning_version as part_version
    from cleaning
    union all
    select
        kind,
        model_version as part_version
    from input_models
    where newest_first = 1

),

inputs_version as (

    select
        substr(md5(
            coalesce(max(case when kind = 'cleaning' then part_version end), 'none')
            || coalesce(max(case when kind = 'sentiment' then part_version end), 'none')
            || coalesce(max(case when kind = 'embedding' then part_version end), 'none')
        ), 1, 12) as inputs_version
    from parts

)

select * from inputs_version
