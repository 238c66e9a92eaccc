{#- Owned by dbt, filled by `purchasing-power backtest` and `train`: runs leave it alone, full refresh included. -#}
{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false, on_schema_change='fail') }}

with

curves as (

    select
        cast(null as {{ dbt.type_string() }}) as model_version,
        cast(null as {{ dbt.type_string() }}) as dataset,
        cast(null as {{ dbt.type_string() }}) as split,
        cast(null as {{ dbt.type_string() }}) as method,
        cast(null as {{ dbt.type_string() }}) as curve,
        cast(null as {{ dbt.type_string() }}) as series,
        cast(null as {{ dbt.type_int() }}) as point,
        cast(null as {{ purchasing_power.type_double() }}) as x,
        cast(null as {{ purchasing_power.type_double() }}) as y,
        cast(null as {{ dbt.type_timestamp() }}) as measured_at

)

select * from curves
where 1 = 0
