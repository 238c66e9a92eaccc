{#-
    Append-only, full refresh included, as purchasing_power__score_history is: where users stood at the previous scoring
    must still be known, also when the rules of a lifecycle are others by then.
-#}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    full_refresh=false,
    on_schema_change='append_new_columns',
) }}
with

user_segments as (

    select
        user_id,
        as_of_date,
        horizon_days,
        purchasing_power_tier,
        lifecycle,
        expected_spend,
        model_version
    from {{ ref('purchasing_power__user_segments') }}

),

unrecorded as (

    select user_segments.*
    from user_segments
    {% if is_incremental() -%}
    where not exists (
        select 1
        from {{ this }} as recorded
        where
            recorded.user_id = user_segments.user_id
            and recorded.as_of_date = user_segments.as_of_date
            and recorded.horizon_days = user_segments.horizon_days
            and recorded.model_version = user_segments.model_version
    )
    {%- endif %}

)

select * from unrecorded
