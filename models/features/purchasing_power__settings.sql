{%- set rating_scale = purchasing_power.setting('rating_scale') -%}
with

as_of as (

    select * from {{ ref('int_purchasing_power__as_of') }}

),

inputs_version as (

    select * from {{ ref('int_purchasing_power__inputs_version') }}

),

newest_scaling as (

    select scaling_version
    from {{ ref('purchasing_power__scaling') }}
    where
        feature_hash = '{{ purchasing_power.feature_hash() }}'
        and inputs_version = (select inputs_version.inputs_version from inputs_version)
    order by fitted_at desc, fitted_before desc, scaling_version desc
    limit 1

),

settings as (

    select
        as_of.as_of_date,
        cast({{ purchasing_power.setting('horizon_days') }} as integer) as horizon_days,
        '{{ purchasing_power.setting('step_grain') }}' as step_grain,
        cast({{ purchasing_power.setting('anchor_every_days') }} as integer) as anchor_every_days,
        {{ purchasing_power.text_literal(purchasing_power.setting('currency')) }} as currency,
        {{ purchasing_power.text_literal(tojson(purchasing_power.setting('tier_names'))) }} as tier_names,
        cast({{ rating_scale[0] }} as {{ purchasing_power.type_double() }}) as rating_lowest,
        cast({{ rating_scale[1] }} as {{ purchasing_power.type_double() }}) as rating_highest,
        cast({{ purchasing_power.setting('embedding_channels') }} as integer) as embedding_channels,
        '{{ purchasing_power.feature_hash() }}' as feature_hash,
        newest_scaling.scaling_version,
        '{{ purchasing_power.package_version() }}' as package_version
    from as_of
    left join newest_scaling on true

)

select * from settings
