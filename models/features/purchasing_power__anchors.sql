{%- set horizon = purchasing_power.setting('horizon_days') | int -%}
{%- set anchors %}(

    select
        users.user_id,
        users.first_seen_on,
        dates.anchor_on
    from {{ ref('purchasing_power__users') }} as users
    inner join {{ ref('int_purchasing_power__anchor_dates') }} as dates
        on users.first_seen_on < dates.anchor_on
    where users.is_dated

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
