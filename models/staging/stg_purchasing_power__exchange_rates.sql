{{ config(materialized='view') }}

with

checked as (

    select * from {{ ref('int_purchasing_power__exchange_rates_checked') }}

),

periods as (

    select
        currency,
        rate,
        valid_from,
        row_number() over (partition by currency order by valid_from nulls first) as period,
        lead(valid_from) over (partition by currency order by valid_from nulls first) as next_from
    from checked
    where rejection_reason is null

),

renamed as (

    select

        ----------  ids
        currency,

        ----------  numerics
        rate,

        ----------  timestamps
        -- the oldest rate known is a better guess for what came before it than none
        case when period > 1 then valid_from end as valid_from,
        next_from as valid_until

    from periods

)

select * from renamed
