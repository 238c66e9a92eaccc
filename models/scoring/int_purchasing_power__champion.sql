{{ purchasing_power.require_champion() }}

with

models as (

    select * from {{ ref('purchasing_power__models') }}

),

champion as (

    select
        model_version,
        scaling_version
    from models
    where status = 'champion'

)

select * from champion
