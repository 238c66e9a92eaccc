{%- set by_instant = purchasing_power.setting('step_grain') == 'event' -%}
{%- set instant = ', occurred_at' if by_instant else '' -%}
{%- set previous_step_on = 'lag(step_on) over (partition by user_id order by step_started_at)' -%}
{%- set previous_order_on -%}
max(case when orders > 0 then step_on end) over (
            partition by user_id order by step_started_at rows between unbounded preceding and 1 preceding
        )
{%- endset -%}
{%- set distinct_channels = purchasing_power.distinct_channels() -%}
{%- set has_category = purchasing_power.has_input('products', 'category') -%}
with

activity as (

    select
        *,
        {{ purchasing_power.step_start('occurred_at') }} as step_on
    from {{ ref('int_purchasing_power__activity') }}

),

measured as (

    select
        user_id,
        step_on,
        min(occurred_at) as step_started_at,
        {{ purchasing_power.step_measures() | join(',\n        ') }}
    from activity
    group by user_id, step_on{{ instant }}

),

{% for channel in distinct_channels -%}
{{ channel.name }}_counted as (

    {{ purchasing_power.things_counted(channel, 'activity', 'user_id, step_on' ~ instant) }}

),

{% endfor -%}
{% if has_category -%}
category_lines as (

    select
        user_id,
        step_on{{ instant }},
        count(*) as line_count
    from activity
    where
        activity = 'order_line'
        and category is not null
    group by user_id, step_on{{ instant }}, category

),

entropies as (

    -- -sum(p ln p) with p = n / N, rearranged so that one pass suffices; terms are decimals, so their order leaves no trace
    select
        user_id,
        step_on,
        {{ 'occurred_at' if by_instant else 'cast(null as ' ~ dbt.type_timestamp() ~ ')' }} as occurred_at,
        round(
            ln(sum(line_count))
            - sum(cast(round(line_count * ln(line_count), 8) as {{ purchasing_power.type_fraction() }})) / sum(line_count),
            6
        ) as category_entropy_bought
    from category_lines
    group by user_id, step_on{{ instant }}

),

{% endif -%}
positioned as (

    select
        measured.*,
        {% for channel in distinct_channels -%}
        coalesce({{ channel.name }}_counted.thing_count, 0) as {{ channel.name }},
        {% endfor -%}
        {% if has_category -%}
        entropies.category_entropy_bought,
        {% endif -%}
        row_number() over (partition by measured.user_id order by measured.step_started_at) as step_index,
        {{ purchasing_power.day_of_week('measured.step_on') }} as day_of_week
    from measured
    {{ purchasing_power.join_things_counted('measured', distinct_channels, by_instant) }}
    {%- if has_category %}
    left join entropies
        on {{ purchasing_power.same_step('measured', 'entropies', by_instant) }}
    {%- endif %}

),

spaced as (

    select
        *,
        coalesce({{ purchasing_power.days_between(previous_step_on, 'step_on') }}, 0) as days_since_previous_step,
        case
            when orders > 0 then coalesce({{ purchasing_power.days_between(previous_order_on, 'step_on') }}, 0)
            else 0
        end as days_since_previous_order
    from positioned

),

completed as (

    select
        user_id,
        step_index,
        step_on,
        step_started_at,
        {{ purchasing_power.step_channels() | join(',\n        ') }}
    from spaced

)

select * from completed
