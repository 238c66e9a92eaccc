{#-
    What is known about some of the users as of now, so that it can be compared with what training knew: as many as make a
    distribution.
-#}
{%- set anchors %}(

    select
        users.user_id,
        users.first_seen_on,
        as_of.as_of_date as anchor_on
    from (
        select
            user_id,
            first_seen_on
        from {{ ref('purchasing_power__users') }}
        order by md5(user_id), user_id
        limit {{ purchasing_power.monitoring_rules().sample_rows }}
    ) as users
    cross join {{ ref('int_purchasing_power__as_of') }} as as_of

){% endset %}

{{ purchasing_power.context_windows(anchors) }}

select * from context
