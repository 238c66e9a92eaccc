{#-
    Append-only: a version, once written, is what models were trained on. A new one is fitted when there is none for the
    present features and inputs, or when purchasing_power__refit_scaling asks for one.
-#}
{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false, on_schema_change='fail') }}

{%- set horizon = purchasing_power.setting('horizon_days') | int -%}
{%- set is_frozen = (
    not purchasing_power.setting('refit_scaling')
    and purchasing_power.is_fitted(
        this,
        "known.feature_hash = '" ~ purchasing_power.feature_hash() ~ "' and known.inputs_version = (select inputs_version from "
        ~ ref('int_purchasing_power__inputs_version') ~ ')'
    )
) -%}
{%- set channels = purchasing_power.channel_catalogue() -%}
{%- set context = purchasing_power.context_features() -%}
with

fit_window as (

    select as_of_date - {{ horizon }} as fitted_before
    from {{ ref('int_purchasing_power__as_of') }}

),

inputs_version as (

    select * from {{ ref('int_purchasing_power__inputs_version') }}

),

channel_rows as (

    select steps.*
    from {{ ref('purchasing_power__user_steps') }} as steps
    inner join {{ ref('purchasing_power__users') }} as users on steps.user_id = users.user_id
    cross join fit_window
    where
        {{ '1 = 0 and' if is_frozen }} users.split = 'train'
        and steps.step_on < fit_window.fitted_before

),

context_rows as (

    select anchors.*
    from {{ ref('purchasing_power__anchors') }} as anchors
    cross join fit_window
    where
        {{ '1 = 0 and' if is_frozen }} anchors.split = 'train'
        and anchors.anchor_on <= fit_window.fitted_before

),

channel_moments as (

    {{ purchasing_power.scaling_moments(channels, 'channel_rows') }}

),

context_moments as (

    {{ purchasing_power.scaling_moments(context, 'context_rows') }}

),

moments as (

    {% for feature_set, entries in [('channel', channels), ('context', context)] -%}
    select
        catalogue.feature_set,
        catalogue.position,
        catalogue.feature_name,
        catalogue.transform,
        {{ purchasing_power.moment(entries, 'center') }} as center,
        {{ purchasing_power.moment(entries, 'scale') }} as scale
    from {{ feature_set }}_moments as moments
    cross join {{ ref('purchasing_power__feature_catalogue') }} as catalogue
    where catalogue.feature_set = '{{ feature_set }}'
    {% if not loop.last -%}
    union all
    {% endif -%}
    {% endfor %}

),

rounded as (

    -- rounded, so that the order in which rows were summed leaves no trace
    select
        feature_set,
        position,
        feature_name,
        transform,
        cast({{ purchasing_power.rounded('center', 6) }} as {{ purchasing_power.type_double() }}) as center,
        cast(
            case
                when scale < 0.000001 then 1
                else {{ purchasing_power.rounded('scale', 6) }}
            end as {{ purchasing_power.type_double() }}
        ) as scale
    from moments

),

digest as (

    select sum({{ purchasing_power.row_digest(['feature_set', 'feature_name', 'center', 'scale']) }}) as fitted
    from rounded

),

versioned as (

    -- both sets or none: half a version would be frozen for good
    select
        substr(md5(
            '{{ purchasing_power.feature_hash() }}'
            || inputs_version.inputs_version
            || cast(fit_window.fitted_before as {{ dbt.type_string() }})
            || cast(digest.fitted as {{ dbt.type_string() }})
        ), 1, 12) as scaling_version,
        '{{ purchasing_power.feature_hash() }}' as feature_hash,
        inputs_version.inputs_version,
        rounded.feature_set,
        rounded.position,
        rounded.feature_name,
        rounded.transform,
        rounded.center,
        rounded.scale,
        fit_window.fitted_before,
        cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}' as {{ dbt.type_timestamp() }}) as fitted_at
    from rounded
    cross join fit_window
    cross join inputs_version
    cross join digest
    cross join channel_moments
    cross join context_moments
    where
        channel_moments.row_count > 0
        and context_moments.row_count > 0

),

fresh as (

    select * from versioned
    {% if is_incremental() -%}
    where
        scaling_version not in (select known.scaling_version from {{ this }} as known)
        {% if not purchasing_power.setting('refit_scaling') -%}
        and not exists (
            select 1
            from {{ this }} as known
            where
                known.feature_hash = versioned.feature_hash
                and known.inputs_version = versioned.inputs_version
        )
        {%- endif %}
    {%- endif %}

)

select * from fresh
