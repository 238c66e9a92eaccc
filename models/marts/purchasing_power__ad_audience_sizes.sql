{%- set rules = purchasing_power.audience_rules() -%}
{%- set double = purchasing_power.type_double() -%}
with

ad_audiences as (

    select * from {{ ref('purchasing_power__ad_audiences') }}

),

everybody as (

    select
        max(as_of_date) as as_of_date,
        max(horizon_days) as horizon_days,
        count(*) as users
    from {{ ref('purchasing_power__user_segments') }}

),

audiences as (

    {% for name in rules -%}
    select cast('{{ name }}' as {{ dbt.type_string() }}) as audience
    {{ 'union all' if not loop.last }}
    {% else -%}
    select cast(null as {{ dbt.type_string() }}) as audience
    where 1 = 0
    {% endfor %}
),

counted as (

    select
        audience,
        count(*) as users,
        sum(expected_spend) as expected_revenue,
        sum(value_at_stake) as value_at_stake,
        sum(expected_value) as expected_value,
        avg(purchase_probability) as average_purchase_probability
    from ad_audiences
    group by audience

),

ad_audience_sizes as (

    select

        ----------  ids
        -- an audience that nobody belongs to has a row as well
        audiences.audience,
        everybody.as_of_date,
        everybody.horizon_days,

        ----------  numerics
        cast(coalesce(counted.users, 0) as {{ dbt.type_bigint() }}) as users,
        cast(coalesce(counted.users, 0) * 1.0 / nullif(everybody.users, 0) as {{ double }}) as user_share,
        cast(coalesce(counted.expected_revenue, 0) as {{ double }}) as expected_revenue,
        cast(coalesce(counted.value_at_stake, 0) as {{ double }}) as value_at_stake,
        cast(coalesce(counted.expected_value, 0) as {{ double }}) as expected_value,
        cast(counted.average_purchase_probability as {{ double }}) as average_purchase_probability

    from audiences
    cross join everybody
    left join counted on audiences.audience = counted.audience

)

select * from ad_audience_sizes
where {{ purchasing_power.may_be_shown('users') }}
