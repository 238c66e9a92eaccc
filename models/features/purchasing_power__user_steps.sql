{{ config(
    materialized=purchasing_power.materialized_by_user(),
    incremental_strategy='append',
    on_schema_change='sync_all_columns',
    pre_hook="{{ purchasing_power.clear_users() }}",
) }}

{%- set by_instant = purchasing_power.setting('step_grain') == 'event' -%}
{%- set instant = ', occurred_at' if by_instant else '' -%}
{%- set previous_step_on = 'lag(step_on) over (partition by user_id order by step_started_at)' -%}
{%- set previous_order_on -%}
max({{ purchasing_power.order_on() }}) over (
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
    where {{ purchasing_power.is_line_of_a_category() }}
    group by user_id, step_on{{ instant }}, category

),

entropies as (

    select
        user_id,
        step_on,
        {{ 'occurred_at' if by_instant else 'cast(null as ' ~ dbt.type_timestamp() ~ ')' }} as occurred_at,
        {{ purchasing_power.rendered_columns(purchasing_power.category_columns()) | join(',\n        ') }}
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
        row_number() over (partition by measured.user_id order by measured.step_started_at) as step_index
    from measured
    {{ purchasing_power.join_things_counted('measured', distinct_channels, by_instant) }}
    {%- if has_category %}
    left join entropies
        on {{ purchasing_power.same_step('measured', 'entropies', by_instant) }}
    {%- endif %}

),

preceded as (

    select
        *,
        {{ previous_step_on }} as previous_step_on,
        {{ previous_order_on }} as previous_order_on
    from positioned

),

spaced as (

    select
        *,
        {{ purchasing_power.rendered_columns(purchasing_power.spacing_columns()) | join(',\n        ') }}
    from preceded

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
