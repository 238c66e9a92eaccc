{#-
    Whose scores are explained, and whom they are compared with. Half are a sample of everybody, of which the importance of
    the groups is measured; a quarter those whose expected spend moved most since they were last scored; the rest those of
    whom most is expected.
-#}
{{ config(materialized='view') }}
{%- set explained_users = purchasing_power.setting('explained_users') -%}
{# Few, as a user takes as long as there are references; eight rank the reasons as sixteen do (docs/benchmarks.md). -#}
{%- set references = [8, [4, 1024 // 2 ** purchasing_power.explained_group_count()] | max] | min -%}
with

raw_scores as (

    select
        user_id,
        as_of_date,
        expected_spend
    from {{ ref('int_purchasing_power__raw_scores') }}

),

earlier as (

    {{ purchasing_power.earlier_expectations('(select max(raw_scores.as_of_date) from raw_scores)') }}

),

places as (

    select
        raw_scores.user_id,
        raw_scores.as_of_date,
        raw_scores.expected_spend,
        avg(raw_scores.expected_spend) over () as average_expected_spend,
        count(*) over () as users,
        row_number() over (order by raw_scores.expected_spend desc, raw_scores.user_id asc) as top_place,
        row_number() over (order by md5(raw_scores.user_id), raw_scores.user_id) as sample_place,
        row_number() over (
            order by
                -- who was not scored before comes last
                case when earlier.expected_spend is null then 1 else 0 end asc,
                abs(raw_scores.expected_spend - earlier.expected_spend) desc,
                raw_scores.user_id asc
        ) as mover_place,
        earlier.expected_spend is not null as was_scored
    from raw_scores
    left join earlier on raw_scores.user_id = earlier.user_id

),

roles as (

    select
        user_id,
        as_of_date,
        expected_spend,
        average_expected_spend,
        {% if explained_users is none -%}
        true as is_sampled,
        true as is_mover,
        {% else -%}
        sample_place <= {{ explained_users / 2 }} as is_sampled,
        was_scored and mover_place <= {{ explained_users / 4 }} as is_mover,
        {% endif -%}
        top_place,
        -- the middles of as many equal parts of everybody
        top_place in (
            {% for part in range(references) -%}
            cast(1 + floor(users * {{ 2 * part + 1 }} / {{ 2.0 * references }}) as {{ dbt.type_bigint() }})
            {{- ',' if not loop.last }}
            {% endfor -%}
        ) as is_reference
    from places

),

ordered as (

    select
        *,
        row_number() over (
            order by
                case when is_sampled then 0 when is_mover then 1 else 2 end,
                top_place
        ) as place
    from roles

),

users_to_explain as (

    select
        user_id,
        as_of_date,
        expected_spend,
        average_expected_spend,
        is_sampled,
        is_reference,
        {{ 'true' if explained_users is none else 'place <= ' ~ explained_users }} as is_explained
    from ordered

)

select * from users_to_explain
where is_explained or is_reference
