with

contributions as (

    select * from {{ ref('int_purchasing_power__raw_explanations') }}

),

explained_users as (

    select * from {{ ref('int_purchasing_power__users_to_explain') }}

),

settings as (

    select * from {{ ref('purchasing_power__settings') }}

),

score_explanations as (

    select

        ----------  ids
        contributions.user_id,
        explained_users.as_of_date,
        settings.horizon_days,
        cast(
            row_number() over (
                partition by contributions.user_id
                order by abs(contributions.contribution) desc, contributions.feature_group
            ) as integer
        ) as rank,

        ----------  text
        contributions.feature_group,
        case
            when contributions.contribution > 0 then 'raises'
            when contributions.contribution < 0 then 'lowers'
            else 'leaves'
        end as direction,

        ----------  numerics
        contributions.contribution,
        explained_users.expected_spend,
        explained_users.average_expected_spend,

        ----------  provenance
        contributions.model_version

    from contributions
    inner join explained_users on contributions.user_id = explained_users.user_id
    cross join settings
    where explained_users.is_explained

)

select * from score_explanations
