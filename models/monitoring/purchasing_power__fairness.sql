{#- For whom the newest matured scoring was right: of all users, and of each group of purchasing_power__groups. -#}
{%- set double = purchasing_power.type_double() -%}
{%- set scoring = ['as_of_date', 'matured_on', 'horizon_days', 'model_version'] -%}
{%- set group = scoring + ['grouping_name', 'group_name'] -%}
{%- set sums = [
    'users', 'predicted_buyers', 'realised_buyers', 'buyers_variance', 'predicted_spend', 'realised_spend',
    'absolute_error', 'squared_error', 'within_range',
] -%}
with

matured_scores as (

    select
        *,
        max(matured_on) over () as newest_matured_on
    from {{ ref('purchasing_power__matured_scores') }}

),

customer_groups as (

    select * from {{ ref('int_purchasing_power__customer_groups') }}

),

grouped as (

    select
        matured_scores.*,
        groupings.grouping_name,
        -- whoever is in no group is in one of their own: an error that only they meet is one, too
        case
            when groupings.grouping_name = 'all' then 'all' else coalesce(customer_groups.group_name, 'unknown')
        end as group_name
    from matured_scores
    cross join (
        values ('all'){% for name in purchasing_power.setting('groups') %}, ('{{ name }}'){% endfor %}
    ) as groupings (grouping_name)
    left join customer_groups
        on
            matured_scores.user_id = customer_groups.user_id
            and groupings.grouping_name = customer_groups.grouping_name
    where matured_scores.matured_on = matured_scores.newest_matured_on

),

tiers as (

    select
        {{ group | join(', ') }},
        purchasing_power_tier,
        count(*) as users,
        sum(purchase_probability) as predicted_buyers,
        sum(case when has_bought then 1 else 0 end) as realised_buyers,
        sum(purchase_probability * (1 - purchase_probability)) as buyers_variance,
        sum(expected_spend) as predicted_spend,
        sum(realised_spend) as realised_spend,
        sum(abs(realised_spend - expected_spend)) as absolute_error,
        sum((realised_spend - expected_spend) * (realised_spend - expected_spend)) as squared_error,
        sum(case when is_within_range then 1 else 0 end) as within_range
    from grouped
    group by {{ group | join(', ') }}, purchasing_power_tier

),

all_tiers as (

    select
        {{ group | join(', ') }},
        'all' as purchasing_power_tier,
        {{ 'sum(' ~ sums | join('), sum(') ~ ')' }}
    from tiers
    group by {{ group | join(', ') }}

),

united as (

    select * from tiers
    union all
    select * from all_tiers

),

shared as (

    select
        *,
        cast(users as {{ double }}) / max(users) over (partition by {{ group | join(', ') }}) as tier_share
    from united

),

compared as (

    select
        *,
        tier_share / max(tier_share) over (
            partition by {{ scoring | join(', ') }}, grouping_name, purchasing_power_tier
        ) as tier_share_ratio
    from shared
    where {{ purchasing_power.may_be_shown('users') }}

),

fairness as (

    select

        ----------  ids
        {% for name in group -%}
        {{ name }},
        {% endfor -%}
        purchasing_power_tier,

        ----------  numerics
        cast(users as {{ dbt.type_bigint() }}) as users,
        {% for name, expression in {
            'tier_share': 'tier_share',
            'tier_share_ratio': 'tier_share_ratio',
            'predicted_buyer_share': 'predicted_buyers / users',
            'realised_buyer_share': 'realised_buyers * 1.0 / users',
            'buyers_departure': '(realised_buyers - predicted_buyers) / greatest(sqrt(buyers_variance), 0.000001)',
            'mean_expected_spend': 'predicted_spend / users',
            'mean_realised_spend': 'realised_spend / users',
            'spend_departure': '(realised_spend - predicted_spend) / greatest(sqrt(squared_error), 0.000001)',
            'mean_absolute_error': 'absolute_error / users',
        }.items() -%}
        cast({{ expression }} as {{ double }}) as {{ name }},
        {% endfor -%}
        cast(within_range as {{ double }}) / users as within_range_share

    from compared

)

select * from fairness
