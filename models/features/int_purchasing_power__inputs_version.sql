with

cleaning as (

    {{ purchasing_power.newest_cleaning() }}

),

parts as (

    select max(cleaning_version) as cleaning_version
    from cleaning

),

inputs_version as (

    select coalesce(cleaning_version, 'none') as inputs_version
    from parts

)

select * from inputs_version
