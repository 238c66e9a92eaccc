with

raw_scores as (

    select * from {{ ref('int_purchasing_power__raw_scores') }}

),

settings as (

    select * from {{ ref('purchasing_power__settings') }}

),

scores as (

    select

        ----------  ids
        raw_scores.user_id,
        raw_scores.as_of_date,
        settings.horizon_days,

        ----------  numerics
        raw_scores.purchase_probability,
        raw_scores.expected_spend,
        raw_scores.spend_p10,
        raw_scores.spend_p50,
        raw_scores.spend_p90,

        ----------  text
        raw_scores.purchasing_power_tier,

        ----------  anomaly
        raw_scores.anomaly_score,
        raw_scores.is_outlier,

        ----------  rank
        cast(
            100 * percent_rank() over (order by raw_scores.expected_spend) as {{ purchasing_power.type_double() }}
        ) as purchasing_power_percentile,

        ----------  provenance
        raw_scores.model_version,
        cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}' as {{ dbt.type_timestamp() }}) as scored_at

    from raw_scores
    cross join settings

)

select * from scores
