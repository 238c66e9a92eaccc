{#-
    What is watched for drift: feature sets, and the numbers of each.
      channel   of the steps of a day, or of a week
      context   of users, as of a scoring
      score     what was predicted of users
-#}
{% macro watched_features() %}
    {{ return({
        'channel': purchasing_power.channel_catalogue() | map(attribute='name') | list,
        'context': purchasing_power.context_features() | map(attribute='name') | list,
        'score': ['purchase_probability', 'expected_spend'],
    }) }}
{% endmacro %}


{#-
    The numbers of a feature set, one a row: a select of feature_set, `columns`, feature_name and value over a relation that has them side by
    side. A join and a case, because engines agree on no other way to turn columns into rows.
-#}
{% macro unpivoted(feature_set, relation, columns) %}
    {%- set names = purchasing_power.watched_features()[feature_set] %}
    select
        '{{ feature_set }}' as feature_set,
        {% for column in columns -%}
        wide.{{ column }},
        {% endfor -%}
        features.feature_name,
        cast(case features.feature_name
            {%- for name in names %}
            when '{{ name }}' then wide.{{ name }}
            {%- endfor %}
        end as {{ purchasing_power.type_double() }}) as value
    from {{ relation }} as wide
    cross join (values {% for name in names %}('{{ name }}'){{ ', ' if not loop.last }}{% endfor %}) as features (feature_name)
{%- endmacro %}


{#- Condition: a row is among those that a distribution is made of; by a digest of its key, so that each run draws the same. -#}
{% macro is_sampled(key, row_count) %}
    {%- set every = 'greatest(cast(floor(' ~ row_count ~ ' / ' ~ purchasing_power.monitoring_rules().sample_rows ~ '.0) as '
        ~ dbt.type_bigint() ~ '), 1)' -%}
    {{ return('mod(' ~ purchasing_power.row_digest(key) ~ ', ' ~ every ~ ') = 0') }}
{% endmacro %}


{#-
    How far each day's distribution lies from its baseline's: a select over purchasing_power__drift_baselines and
    int_purchasing_power__drift_days, of some feature sets. PSI is the population stability index over the baseline's bins, KS the largest distance of the
    two cumulative distributions at their edges; half a row is added to each bin, so that an empty one is no infinity.
    `recent_…` is the same of the days up to this one, as many as say what is usual. `ks_p_value` is Kolmogorov's asymptotic bound.
-#}
{% macro drift_measures(feature_sets) %}
{%- set rules = purchasing_power.monitoring_rules() -%}
{%- set double = purchasing_power.type_double() -%}
{%- set series = ['feature_set', 'baseline_version', 'feature_name'] -%}
with

baselines as (

    select * from {{ ref('purchasing_power__drift_baselines') }}
    where feature_set in ('{{ feature_sets | join("', '") }}')

),

drift_days as (

    select * from {{ ref('int_purchasing_power__drift_days') }}
    where feature_set in ('{{ feature_sets | join("', '") }}')

),

observed as (

    select distinct
        feature_set,
        baseline_version,
        feature_name,
        observed_on
    from drift_days

),

counted as (

    -- every bin of every day, those that nothing fell into too
    select
        observed.feature_set,
        observed.baseline_version,
        observed.feature_name,
        observed.observed_on,
        baselines.bin,
        baselines.row_count as baseline_count,
        coalesce(drift_days.row_count, 0) as day_count
    from observed
    inner join baselines
        on
            observed.feature_set = baselines.feature_set
            and observed.baseline_version = baselines.baseline_version
            and observed.feature_name = baselines.feature_name
    left join drift_days
        on
            observed.feature_set = drift_days.feature_set
            and observed.baseline_version = drift_days.baseline_version
            and observed.feature_name = drift_days.feature_name
            and observed.observed_on = drift_days.observed_on
            and baselines.bin = drift_days.bin

),

recent as (

    select
        *,
        sum(day_count) over (
            partition by {{ series | join(', ') }}, bin order by observed_on
            rows between {{ rules.reference_days - 1 }} preceding and current row
        ) as recent_count
    from counted

),

cumulated as (

    select
        *,
        {% for name in ['baseline', 'day', 'recent'] -%}
        cast(sum({{ name }}_count) over of_day as {{ double }}) as {{ name }}_rows,
        cast(sum({{ name }}_count) over up_to_bin as {{ double }}) as {{ name }}_up_to,
        {% endfor -%}
        count(*) over of_day as bins
    from recent
    window
        of_day as (partition by {{ series | join(', ') }}, observed_on),
        up_to_bin as (
            partition by {{ series | join(', ') }}, observed_on order by bin
            rows between unbounded preceding and current row
        )

),

shares as (

    select
        *,
        {% for name in ['baseline', 'day', 'recent'] -%}
        ({{ name }}_count + 0.5) / ({{ name }}_rows + 0.5 * bins) as {{ name }}_share,
        {{ name }}_up_to / greatest({{ name }}_rows, 1) as {{ name }}_cumulated{{ ',' if not loop.last }}
        {% endfor %}
    from cumulated

),

distances as (

    select
        {% for name in series -%}
        {{ name }},
        {% endfor -%}
        observed_on,
        max(baseline_rows) as baseline_rows,
        max(day_rows) as day_rows,
        sum((day_share - baseline_share) * ln(day_share / baseline_share)) as psi,
        max(abs(day_cumulated - baseline_cumulated)) as ks,
        sum((recent_share - baseline_share) * ln(recent_share / baseline_share)) as recent_psi,
        max(abs(recent_cumulated - baseline_cumulated)) as recent_ks
    from shares
    group by {{ series | join(', ') }}, observed_on

),

{# A day that was another than those before it is no measure of those after it; the first hides others, so three times. #}
{%- for stage in ['_first', '_second', ''] -%}
{%- set before = '' if loop.first else loop.previtem -%}
limited{{ stage }} as (

    select
        *,
        {{ purchasing_power.usual('psi' if loop.first else 'steady_psi' ~ before, series, '_psi' ~ stage) }},
        {{ purchasing_power.usual('ks' if loop.first else 'steady_ks' ~ before, series, '_ks' ~ stage) }}
    from {{ 'distances' if loop.first else 'steady' ~ before }}

),

{% if not loop.last -%}
steady{{ stage }} as (

    select
        *,
        {{ purchasing_power.steady('psi', suffix='_psi' ~ stage) }} as steady_psi{{ stage }},
        {{ purchasing_power.steady('ks', suffix='_ks' ~ stage) }} as steady_ks{{ stage }}
    from limited{{ stage }}

),

{% endif -%}
{% endfor -%}
judged as (

    select
        *,
        {{ purchasing_power.departure('psi', suffix='_psi') }} as psi_departure,
        {{ purchasing_power.departure('ks', suffix='_ks') }} as ks_departure
    from limited

),

drift as (

    select

        ----------  ids
        feature_set,
        baseline_version,
        feature_name,
        observed_on,

        ----------  numerics
        cast(day_rows as {{ dbt.type_bigint() }}) as row_count,
        cast(psi as {{ double }}) as psi,
        cast(usual_psi as {{ double }}) as usual_psi,
        cast(ks as {{ double }}) as ks,
        cast(usual_ks as {{ double }}) as usual_ks,
        cast(
            least(1, 2 * exp(-2 * ks * ks * day_rows * baseline_rows / greatest(day_rows + baseline_rows, 1))) as {{ double }}
        ) as ks_p_value,
        cast(recent_psi as {{ double }}) as recent_psi,
        cast(recent_ks as {{ double }}) as recent_ks,
        cast(greatest(psi_departure, ks_departure) as {{ double }}) as departure,

        ----------  booleans
        observed_on = max(observed_on) over (partition by feature_set) as is_newest,
        -- of this day: another than those before it
        (psi_departure >= {{ rules.departures }} and psi >= {{ rules.psi }})
        or (ks_departure >= {{ rules.departures }} and ks - usual_ks >= {{ rules.ks }}) as has_jumped,
        -- of all recent days: slowly, so that no day was another than those before it
        usual_days_psi >= {{ rules.fewest_days }} and recent_psi >= {{ rules.psi }} as has_drifted

    from judged

)
{% endmacro %}
