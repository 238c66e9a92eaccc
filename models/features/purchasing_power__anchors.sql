{%- set horizon = purchasing_power.setting('horizon_days') | int -%}
{%- set training_users = purchasing_power.setting('training_users') -%}
{%- set order_by = 'substr(md5(user_id), 3), user_id' -%}
{%- set drawn = '' if training_users is none else 'order by ' ~ order_by ~ ' limit ' ~ training_users -%}
{%- set anchors %}(

    select
        users.user_id,
        users.first_seen_on,
        dates.anchor_on
    from (
        -- more than enough to learn from, and what they take does not grow with the shop; by a hash, so that they
        -- stay; by its digits after the first two, which say who is held back
        select
            user_id,
            first_seen_on
        from {{ ref('purchasing_power__users') }}
        where is_dated
        {{ drawn }}
    ) as users
    inner join {{ ref('int_purchasing_power__anchor_dates') }} as dates
        on users.first_seen_on < dates.anchor_on

){% endset %}

{{ purchasing_power.context_windows(anchors, labels=true) }},

split as (

    select
        context.*,
        users.split,
        context.anchor_on + {{ horizon }} as label_ends_on
    from context
    inner join {{ ref('purchasing_power__users') }} as users on context.user_id = users.user_id

)

select * from split
