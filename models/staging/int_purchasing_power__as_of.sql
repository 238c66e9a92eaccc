{%- set configured = purchasing_power.setting('as_of_date') %}
{#- Named here too: with a configured date nothing is read, and unit tests need their inputs built first. -#}
-- depends_on: {{ ref('int_purchasing_power__input_digests') }}
-- depends_on: {{ ref('purchasing_power__browse_events') }}
-- depends_on: {{ ref('int_purchasing_power__bots') }}
with

{% if configured -%}
known_past as (

    select cast('{{ configured }}' as date) as ends_on

),
{%- else -%}
bots as (

    select * from {{ ref('int_purchasing_power__bots') }}

),

newest_of_users as (

    -- what a bot browsed is looked at below
    select
        case
            when bots.user_id is null then greatest(digests.newest_order_or_review_at, digests.newest_browse_at)
            else digests.newest_order_or_review_at
        end as newest_at
    from {{ ref('int_purchasing_power__input_digests') }} as digests
    left join bots on digests.user_id = bots.user_id
    where
        digests.user_id != ''
        and not ({{ purchasing_power.is_test_user('digests.user_id') }})

),

newest_before_bots as (

    select {{ purchasing_power.newest_usable('browse_events.occurred_at < bots.bot_from') }} as newest_at
    from {{ ref('purchasing_power__browse_events') }} as browse_events
    inner join bots on browse_events.user_id = bots.user_id
    where not ({{ purchasing_power.is_test_user('browse_events.user_id') }})

),

newest as (

    select newest_at from newest_of_users
    union all
    select newest_at from newest_before_bots

),

known_past as (

    select coalesce(cast(max(newest_at) as date), {{ purchasing_power.today() }}) + 1 as ends_on
    from newest

),
{%- endif %}

as_of as (

    select {{ purchasing_power.step_start('ends_on') }} as as_of_date
    from known_past

)

select * from as_of
