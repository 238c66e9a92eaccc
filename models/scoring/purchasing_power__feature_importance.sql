with

contributions as (

    select * from {{ ref('int_purchasing_power__raw_explanations') }}

),

sampled_users as (

    -- the others were chosen for their scores
    select
        user_id,
        as_of_date
    from {{ ref('int_purchasing_power__users_to_explain') }}
    where is_explained and is_sampled

),

by_group as (

    select
        contributions.feature_group,
        contributions.model_version,
        sampled_users.as_of_date,
        count(*) as users,
        avg(abs(contributions.contribution)) as importance
    from contributions
    inner join sampled_users on contributions.user_id = sampled_users.user_id
    group by contributions.feature_group, contributions.model_version, sampled_users.as_of_date

),

feature_importance as (

    select

        ----------  ids
        feature_group,
        as_of_date,

        ----------  numerics
        importance,
        cast(
            coalesce(importance / nullif(sum(importance) over (), 0), 0) as {{ purchasing_power.type_double() }}
        ) as importance_share,
        users,

        ----------  provenance
        model_version

    from by_group

)

select * from feature_importance
