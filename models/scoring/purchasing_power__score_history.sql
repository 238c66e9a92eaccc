{#-
    Append-only, full refresh included: what was predicted must still be there when its horizon has passed, a column of a
    later version NULL.
-#}
{{ config(
    materialized=purchasing_power.materialized_with_retention(),
    incremental_strategy='append',
    full_refresh=false,
    on_schema_change='append_new_columns',
    pre_hook="{{ purchasing_power.clear_expired() }}",
) }}

with

scores as (

    select * from {{ ref('purchasing_power__scores') }}

),

unrecorded as (

    select scores.*
    from scores
    {% if purchasing_power.adds_to_history() -%}
    where not exists (
        select 1
        from {{ this }} as recorded
        where
            recorded.user_id = scores.user_id
            and recorded.as_of_date = scores.as_of_date
            and recorded.horizon_days = scores.horizon_days
            and recorded.model_version = scores.model_version
    )
    {%- endif %}

)

select * from unrecorded
