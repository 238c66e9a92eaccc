{#-
    The context, untransformed, of every row of an anchor relation (user_id, anchor_on, first_seen_on): a select with
    those columns, steps_before, and one column a catalogue entry. With `labels`, also what the user did in the horizon.
    Steps and anchors stand in one ordered relation, so each window is one sliding frame and nothing is joined.
-#}
{% macro context_windows(anchors, labels=false) %}
{%- set horizon = purchasing_power.setting('horizon_days') | int -%}
{%- set catalogue = purchasing_power.context_catalogue() -%}
{%- set columns = purchasing_power.point_columns() -%}
{%- set windows = {} -%}
{%- for entry in catalogue if entry.window is defined -%}
    {%- do windows.update({purchasing_power.window_name(entry.window): entry.window}) -%}
{%- endfor -%}
with

steps as (

    select * from {{ ref('purchasing_power__user_steps') }}

),

anchors as (

    select * from {{ anchors }}

),

points as (

    select
        user_id,
        step_on as on_date,
        {% for column in columns -%}
        {{ column.sql }} as {{ column.name }},
        {% endfor -%}
        cast(null as date) as first_seen_on
    from steps
    union all
    select
        user_id,
        anchor_on as on_date,
        {% for column in columns -%}
        null as {{ column.name }},
        {% endfor -%}
        first_seen_on
    from anchors

),

windowed as (

    select
        user_id,
        on_date as anchor_on,
        first_seen_on,
        is_step,
        count(is_step) over {{ purchasing_power.window_name([none, 0]) }} as steps_before,
        {% if labels -%}
        -- what comes back is no negative demand
        greatest(coalesce(sum(spend) over horizon, 0), 0) as label_spend,
        coalesce(sum(orders) over horizon, 0) as label_orders,
        {% endif -%}
        {% for entry in catalogue if entry.window is defined -%}
        {{ purchasing_power.windowed_aggregate(entry) }} as {{ entry.name }}{{ ',' if not loop.last }}
        {% endfor %}
    from points
    window
        {% if labels -%}
        horizon as (
            partition by user_id order by on_date
            range between current row and interval '{{ horizon - 1 }} days' following
        ),
        {% endif -%}
        {% for name, window in windows.items() -%}
        {{ name }} as (
            partition by user_id order by on_date
            range between
            {% if window[0] is none %}unbounded{% else %}interval '{{ window[0] }} days'{% endif %} preceding
            and interval '{{ window[1] + 1 }} days' preceding
        ){{ ',' if not loop.last }}
        {% endfor %}

),

context as (

    select
        user_id,
        anchor_on,
        first_seen_on,
        steps_before,
        {% if labels -%}
        label_spend,
        label_orders,
        {% endif -%}
        {% for entry in purchasing_power.context_features() -%}
        {% if entry.window is defined -%}
        {{ entry.name }}
        {%- else -%}
        {{ purchasing_power.render_calendar(entry.sql) }} as {{ entry.name }}
        {%- endif %}{{ ',' if not loop.last }}
        {% endfor %}
    from windowed
    where is_step is null

)
{% endmacro %}


{#- The points' column that is the date of a step in which a channel is above 0. -#}
{% macro step_with(channel) %}
    {{ return('step_with_' ~ channel ~ '_on') }}
{% endmacro %}


{#- Name of a window in the window clause. -#}
{% macro window_name(window) %}
    {{ return('days_' ~ (window[0] if window[0] is not none else 'all') ~ '_to_' ~ window[1]) }}
{% endmacro %}


{#- A catalogue aggregate, turned into a window function: coalesce(sum(x), 0) -> coalesce(sum(x) over w, 0). -#}
{% macro windowed_aggregate(entry) %}
    {{ return(modules.re.sub(
        '\\b(sum|max|min|count)\\((\\w+)\\)',
        '\\1(\\2) over ' ~ purchasing_power.window_name(entry.window),
        entry.sql
    )) }}
{% endmacro %}
