{{ purchasing_power.require_champion(
    ref('purchasing_power__models'), ref('purchasing_power__scaling'), ref('int_purchasing_power__inputs_version')
) }}

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
