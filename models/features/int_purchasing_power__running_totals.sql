{%- set channels = purchasing_power.channel_catalogue() -%}
{%- set counted = channels | map(attribute='mean_of') | select | unique | list -%}
with

steps as (

    select * from {{ ref('purchasing_power__user_steps') }}

),

measured as (

    select
        user_id,
        step_index,
        step_on,
        1 as is_step,
        case when orders > 0 then step_on end as order_on,
        nullif(days_since_previous_order, 0) as order_gap,
        nullif(days_since_previous_order, 0) * days_since_previous_order as order_gap_square,
        {% for channel in counted -%}
        case when {{ channel }} > 0 then step_on end as {{ purchasing_power.step_with(channel) }},
        {% endfor -%}
        {% for channel in channels -%}
        {% if channel.mean_of -%}
        -- a mean's sum leaves out the steps that its count does, and is of decimals: a difference of sums of doubles
        -- keeps a trace of what lies outside
        case
            when {{ channel.mean_of }} > 0 then cast(round({{ channel.name }}, 12) as decimal(28, 12))
        end as {{ channel.name }}{{ ',' if not loop.last }}
        {% else -%}
        {{ channel.name }}{{ ',' if not loop.last }}
        {% endif -%}
        {% endfor %}
    from steps

),

running_totals as (

    select
        user_id,
        step_index,
        step_on,
        {% for column in purchasing_power.sliding_columns() -%}
        {{ column }},
        {% endfor -%}
        {% for aggregate, column in purchasing_power.running_aggregates() -%}
        {{ aggregate }}({{ column }}) over so_far as {{ aggregate }}_{{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from measured
    window so_far as (partition by user_id order by step_index rows unbounded preceding)

)

select * from running_totals
