{%- set double = purchasing_power.type_double() -%}
with

user_segments as (

    select * from {{ ref('purchasing_power__user_segments') }}

),

previous_segments as (

    select * from {{ ref('int_purchasing_power__previous_segments') }}

),

when_scored as (

    select
        max(as_of_date) as as_of_date,
        max(horizon_days) as horizon_days
    from user_segments

),

when_scored_before as (

    -- no row on a first run, which nobody came from anywhere for
    select max(as_of_date) as as_of_date
    from previous_segments
    having max(as_of_date) is not null

),

moves as (

    select
        previous_segments.purchasing_power_tier as from_tier,
        previous_segments.lifecycle as from_lifecycle,
        user_segments.purchasing_power_tier as to_tier,
        user_segments.lifecycle as to_lifecycle,
        count(*) as users,
        sum(previous_segments.expected_spend) as expected_revenue_before,
        sum(user_segments.expected_spend) as expected_revenue
    from user_segments
    full outer join previous_segments on user_segments.user_id = previous_segments.user_id
    group by
        previous_segments.purchasing_power_tier,
        previous_segments.lifecycle,
        user_segments.purchasing_power_tier,
        user_segments.lifecycle

),

segment_moves as (

    select

        ----------  ids
        when_scored_before.as_of_date as previous_as_of_date,
        when_scored.as_of_date,
        when_scored.horizon_days,
        coalesce(moves.from_tier || ', ' || moves.from_lifecycle, 'not scored before') as from_segment,
        coalesce(moves.to_tier || ', ' || moves.to_lifecycle, 'no longer scored') as to_segment,

        ----------  text
        moves.from_tier,
        moves.from_lifecycle,
        moves.to_tier,
        moves.to_lifecycle,

        ----------  numerics
        cast(moves.users as {{ dbt.type_bigint() }}) as users,
        cast(coalesce(moves.expected_revenue_before, 0) as {{ double }}) as expected_revenue_before,
        cast(coalesce(moves.expected_revenue, 0) as {{ double }}) as expected_revenue

    from moves
    cross join when_scored
    cross join when_scored_before

)

select * from segment_moves
where {{ purchasing_power.may_be_shown('users') }}
