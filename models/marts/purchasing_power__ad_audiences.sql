{%- set rules = purchasing_power.audience_rules() -%}
{%- set double = purchasing_power.type_double() -%}
{{ purchasing_power.require_audience_sql(ref('purchasing_power__user_segments')) }}
with

user_segments as (

    select * from {{ ref('purchasing_power__user_segments') }}

),

{% for name, rule in rules.items() -%}
{{ name }}_audience as (

    select
        *,
        '{{ name }}' as audience,
        cast({{ rule.value }} as {{ double }}) as value_at_stake,
        cast({{ rule.uplift }} as {{ double }}) as uplift
    from user_segments
    where {{ rule.where }}

),

{% endfor -%}
members as (

    {% for name in rules -%}
    select * from {{ name }}_audience
    {{ 'union all' if not loop.last }}
    {% else -%}
    select
        *,
        cast(null as {{ dbt.type_string() }}) as audience,
        cast(null as {{ double }}) as value_at_stake,
        cast(null as {{ double }}) as uplift
    from user_segments
    where 1 = 0
    {% endfor %}
),

ad_audiences as (

    select

        ----------  ids
        audience,
        user_id,
        as_of_date,
        horizon_days,

        ----------  rank
        cast(
            row_number() over (
                partition by audience order by coalesce(value_at_stake * uplift, 0) desc, user_id asc
            ) as {{ dbt.type_bigint() }}
        ) as audience_rank,

        ----------  text
        purchasing_power_tier,
        lifecycle,

        ----------  numerics
        purchase_probability,
        expected_spend,
        coalesce(value_at_stake, 0) as value_at_stake,
        coalesce(value_at_stake * uplift, 0) as expected_value,

        ----------  provenance
        model_version

    from members

)

select * from ad_audiences
