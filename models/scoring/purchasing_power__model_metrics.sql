{#- Owned by dbt, filled by `purchasing-power backtest`: runs leave the rows as they are, full refresh included. -#}
{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false, on_schema_change='fail') }}

with

metrics as (

    select
        cast(null as {{ dbt.type_string() }}) as model_version,
        cast(null as {{ dbt.type_string() }}) as dataset,
        cast(null as {{ dbt.type_string() }}) as split,
        cast(null as {{ dbt.type_string() }}) as method,
        cast(null as {{ dbt.type_string() }}) as metric,
        cast(null as {{ purchasing_power.type_double() }}) as value,
        cast(null as {{ dbt.type_timestamp() }}) as measured_at

)

select * from metrics
where 1 = 0
