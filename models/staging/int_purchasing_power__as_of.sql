{%- set configured = purchasing_power.setting('as_of_date') -%}
{%- set earliest = "cast('" ~ purchasing_power.setting('earliest_date') ~ "' as date)" %}
{#- Named here too: with a configured date nothing is read, and unit tests need their inputs built first. -#}
-- depends_on: {{ ref('int_purchasing_power__order_lines_priced') }}
-- depends_on: {{ ref('purchasing_power__browse_events') }}
-- depends_on: {{ ref('int_purchasing_power__bots') }}
-- depends_on: {{ ref('purchasing_power__reviews') }}
with

{% if configured -%}
known_past as (

    select cast('{{ configured }}' as date) as ends_on

),
{%- else -%}
order_times as (

    select max(ordered_at) as newest_at
    from {{ ref('int_purchasing_power__order_lines_priced') }}
    where
        user_id is not null
        and exchange_rate is not null
        {% if purchasing_power.cleaning_rules('order_lines').amount.fill == 'reject' -%}
        and amount is not null
        {% endif -%}
        and not ({{ purchasing_power.is_test_user('user_id') }})
        and ordered_at >= {{ earliest }}
        and ordered_at < {{ purchasing_power.tomorrow() }}

),

browse_times as (

    select max(browse_events.occurred_at) as newest_at
    from {{ ref('purchasing_power__browse_events') }} as browse_events
    left join {{ ref('int_purchasing_power__bots') }} as bots on browse_events.user_id = bots.user_id
    where
        browse_events.user_id is not null
        and not ({{ purchasing_power.is_test_user('browse_events.user_id') }})
        and browse_events.occurred_at >= {{ earliest }}
        and browse_events.occurred_at < {{ purchasing_power.tomorrow() }}
        and (bots.bot_from is null or browse_events.occurred_at < bots.bot_from)

),

review_times as (

    select max(reviewed_at) as newest_at
    from {{ ref('purchasing_power__reviews') }}
    where
        user_id is not null
        and not ({{ purchasing_power.is_test_user('user_id') }})
        and reviewed_at >= {{ earliest }}
        and reviewed_at < {{ purchasing_power.tomorrow() }}

),

newest as (

    select newest_at from order_times
    union all
    select newest_at from browse_times
    union all
    select newest_at from review_times

),

known_past as (

    select coalesce(cast(max(newest_at) as date), current_date) + 1 as ends_on
    from newest

),
{%- endif %}

as_of as (

    select {{ purchasing_power.step_start('ends_on') }} as as_of_date
    from known_past

)

select * from as_of
