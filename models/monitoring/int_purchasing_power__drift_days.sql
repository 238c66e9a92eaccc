{#-
    Append-only: how many of a day's rows fell into each bin of the baseline. A day is looked at once, on the first run after it
    ended: what comes in later than that is not counted here.
-#}
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail') }}

{%- set sampled = {'channel': 'sampled_steps', 'context': 'new_context', 'score': 'sampled_scores'} -%}
with

watched as (

    select
        as_of.as_of_date,
        {{ purchasing_power.watched_since('as_of.as_of_date') }} as since,
        current_settings.scaling_version
    from {{ ref('int_purchasing_power__as_of') }} as as_of
    cross join {{ ref('purchasing_power__settings') }} as current_settings

),

seen as (

    {% if is_incremental() -%}
    select
        feature_set,
        baseline_version,
        max(observed_on) as seen_until
    from {{ this }}
    group by feature_set, baseline_version
    {%- else -%}
    select
        cast(null as {{ dbt.type_string() }}) as feature_set,
        cast(null as {{ dbt.type_string() }}) as baseline_version,
        cast(null as date) as seen_until
    {%- endif %}

),

new_steps as (

    select
        steps.*,
        watched.scaling_version as baseline_version,
        steps.step_on as observed_on,
        count(*) over (partition by steps.step_on) as row_count
    from {{ ref('purchasing_power__user_steps') }} as steps
    inner join watched
        on
            steps.step_on >= watched.since
            and steps.step_on < watched.as_of_date
    left join seen
        on
            seen.feature_set = 'channel'
            and watched.scaling_version = seen.baseline_version
    where
        seen.seen_until is null
        or seen.seen_until < steps.step_on

),

new_context as (

    select
        context.*,
        watched.scaling_version as baseline_version,
        context.anchor_on as observed_on
    from {{ ref('int_purchasing_power__context_sample') }} as context
    cross join watched
    left join seen
        on
            seen.feature_set = 'context'
            and watched.scaling_version = seen.baseline_version
    where
        seen.seen_until is null
        or seen.seen_until < context.anchor_on

),

new_scores as (

    select
        scores.*,
        scores.model_version as baseline_version,
        scores.as_of_date as observed_on,
        count(*) over () as row_count
    from {{ ref('purchasing_power__scores') }} as scores
    left join seen
        on
            seen.feature_set = 'score'
            and scores.model_version = seen.baseline_version
    where
        seen.seen_until is null
        or seen.seen_until < scores.as_of_date

),

sampled_steps as (

    select * from new_steps
    where {{ purchasing_power.is_sampled(['user_id', 'step_index'], 'row_count') }}

),

sampled_scores as (

    select * from new_scores
    where {{ purchasing_power.is_sampled(['user_id', 'as_of_date'], 'row_count') }}

),

given as (

    {% for feature_set in sampled -%}
    {{ purchasing_power.unpivoted(feature_set, sampled[feature_set], ['baseline_version', 'observed_on']) }}
    {% if not loop.last -%}
    union all
    {% endif -%}
    {% endfor %}

),

counted as (

    -- equal values first: most are 0
    select
        feature_set,
        baseline_version,
        observed_on,
        feature_name,
        value,
        count(*) as row_count
    from given
    where value is not null
    group by feature_set, baseline_version, observed_on, feature_name, value

),

drift_days as (

    select
        counted.feature_set,
        counted.baseline_version,
        counted.feature_name,
        counted.observed_on,
        bins.bin,
        cast(sum(counted.row_count) as {{ dbt.type_bigint() }}) as row_count
    from counted
    inner join {{ ref('purchasing_power__drift_baselines') }} as bins
        on
            counted.feature_set = bins.feature_set
            and counted.baseline_version = bins.baseline_version
            and counted.feature_name = bins.feature_name
            and (bins.lower_edge is null or counted.value > bins.lower_edge)
            and (bins.upper_edge is null or counted.value <= bins.upper_edge)
    group by counted.feature_set, counted.baseline_version, counted.feature_name, counted.observed_on, bins.bin

)

select * from drift_days
