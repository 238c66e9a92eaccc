{#-
    Append-only: how the numbers were distributed that a version learnt from. Of channels and context the training users and days to
    which the scaling was fitted; of scores the model's first scoring. Bins are deciles of what is not 0, and 0 has its own.
-#}
{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false, on_schema_change='fail') }}

{%- set double = purchasing_power.type_double() -%}
{%- set sampled = {'channel': 'sampled_steps', 'context': 'sampled_anchors', 'score': 'sampled_scores'} -%}
with

fits as (

    select distinct
        scaling_version,
        fitted_before
    from {{ ref('purchasing_power__scaling') }}

),

settings as (

    select fits.*
    from {{ ref('purchasing_power__settings') }} as current_settings
    inner join fits on current_settings.scaling_version = fits.scaling_version
    {% if is_incremental() -%}
    where fits.scaling_version not in (select known.baseline_version from {{ this }} as known)
    {%- endif %}

),

training_steps as (

    select
        steps.*,
        settings.scaling_version as baseline_version,
        count(*) over () as row_count
    from {{ ref('purchasing_power__user_steps') }} as steps
    inner join {{ ref('purchasing_power__users') }} as users on steps.user_id = users.user_id
    inner join settings on steps.step_on < settings.fitted_before
    where users.split = 'train'

),

training_anchors as (

    select
        anchors.*,
        settings.scaling_version as baseline_version,
        count(*) over () as row_count
    from {{ ref('purchasing_power__anchors') }} as anchors
    inner join settings on anchors.anchor_on <= settings.fitted_before
    where anchors.split = 'train'

),

first_scores as (

    select
        scores.*,
        scores.model_version as baseline_version,
        count(*) over () as row_count
    from {{ ref('purchasing_power__scores') }} as scores
    {% if is_incremental() -%}
    where scores.model_version not in (select known.baseline_version from {{ this }} as known)
    {%- endif %}

),

sampled_steps as (

    select * from training_steps
    where {{ purchasing_power.is_sampled(['user_id', 'step_index'], 'row_count') }}

),

sampled_anchors as (

    select * from training_anchors
    where {{ purchasing_power.is_sampled(['user_id', 'anchor_on'], 'row_count') }}

),

sampled_scores as (

    select * from first_scores
    where {{ purchasing_power.is_sampled(['user_id', 'as_of_date'], 'row_count') }}

),

given as (

    {% for feature_set in sampled -%}
    {{ purchasing_power.unpivoted(feature_set, sampled[feature_set], ['baseline_version']) }}
    {% if not loop.last -%}
    union all
    {% endif -%}
    {% endfor %}

),

tiled as (

    select
        *,
        -- what is 0 is kept apart: of most channels it is most of all
        ntile(10) over (
            partition by feature_set, baseline_version, feature_name, value = 0
            order by value
        ) as tile
    from given
    where value is not null

),

edges as (

    select distinct
        feature_set,
        baseline_version,
        feature_name,
        upper_edge
    from (
        select
            feature_set,
            baseline_version,
            feature_name,
            max(value) as upper_edge
        from tiled
        group by feature_set, baseline_version, feature_name, value = 0, tile
        union all
        -- nothing below 0 shares a bin with it
        select
            feature_set,
            baseline_version,
            feature_name,
            max(value) as upper_edge
        from tiled
        where value < 0
        group by feature_set, baseline_version, feature_name
    ) as found

),

bins as (

    select
        feature_set,
        baseline_version,
        feature_name,
        row_number() over by_edge as bin,
        lag(upper_edge) over by_edge as lower_edge,
        -- the last bin takes whatever is larger
        case when lead(upper_edge) over by_edge is not null then upper_edge end as upper_edge
    from edges
    window by_edge as (partition by feature_set, baseline_version, feature_name order by upper_edge)

),

counted as (

    select
        bins.feature_set,
        bins.baseline_version,
        bins.feature_name,
        bins.bin,
        bins.lower_edge,
        bins.upper_edge,
        count(given.value) as row_count
    from bins
    left join given
        on
            bins.feature_set = given.feature_set
            and bins.baseline_version = given.baseline_version
            and bins.feature_name = given.feature_name
            and (bins.lower_edge is null or bins.lower_edge < given.value)
            and (bins.upper_edge is null or bins.upper_edge >= given.value)
    group by
        bins.feature_set, bins.baseline_version, bins.feature_name, bins.bin, bins.lower_edge, bins.upper_edge

),

drift_baselines as (

    select

        ----------  ids
        feature_set,
        baseline_version,
        feature_name,
        cast(bin as integer) as bin,

        ----------  numerics
        lower_edge,
        upper_edge,
        cast(row_count as {{ dbt.type_bigint() }}) as row_count,

        ----------  timestamps
        cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}' as {{ dbt.type_timestamp() }}) as drawn_at

    from counted

)

select * from drift_baselines
