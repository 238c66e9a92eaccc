{#-
    The context, untransformed, of every row of an anchor relation (user_id, anchor_on, first_seen_on): a select with
    those columns, steps_before, and one column a catalogue entry. With `labels`, also what the user did in the horizon.
    `at` is the SQL of the one date at which every anchor is, where there is but one: the step before a boundary is then found
    by its dates, where else it takes a window.
    A sum over a window is the running total before its end less that before its beginning: for each boundary of any window
    one lookup, however many sums share it. Running totals are integers and decimals, so the difference is exact.
-#}
{% macro context_windows(anchors, labels=false, at=none) %}
{%- set catalogue = purchasing_power.context_catalogue() -%}
{%- set horizon = purchasing_power.setting('horizon_days') | int -%}
{%- set boundaries = [0] + ([-horizon] if labels else []) -%}
{%- for entry in catalogue if entry.window is defined -%}
    {%- do boundaries.extend(entry.window | reject('none')) -%}
{%- endfor -%}
{%- set boundaries = boundaries | unique | sort -%}
{#- Named where it is used: a common table that many lookups share would be copied first. -#}
{%- set totals = ref('int_purchasing_power__running_totals') -%}
with

anchors as (

    select * from {{ anchors }}

),

{% if at -%}
{%- set sliding = purchasing_power.sliding_aggregates() -%}
{% if sliding -%}
slid as (

    select
        user_id,
        {% for aggregate, column, window in sliding -%}
        {{ aggregate }}(
            case when step_on >= {{ at }} - {{ window[0] }} and step_on < {{ at }} - {{ window[1] }} then {{ column }} end
        ) as {{ purchasing_power.sliding_name(aggregate, column, window) }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ totals }}
    group by user_id

),

{% endif -%}
positioned as (

    select
        {% for aggregate, column, window in sliding -%}
        slid.{{ purchasing_power.sliding_name(aggregate, column, window) }},
        {% endfor -%}
        anchors.*
    from anchors
    {%- if sliding %}
    left join slid on anchors.user_id = slid.user_id
    {%- endif %}

),

{% else -%}
points as (

    select
        user_id,
        {{ purchasing_power.day_number('step_on') }} as on_day,
        step_on,
        {% for column in purchasing_power.sliding_columns() -%}
        {{ column }},
        {% endfor -%}
        cast(null as date) as anchor_on,
        cast(null as date) as first_seen_on
    from {{ totals }}
    where user_id in (select anchors.user_id from anchors)
    union all
    select
        user_id,
        {{ purchasing_power.day_number('anchor_on') }} as on_day,
        null as step_on,
        {% for column in purchasing_power.sliding_columns() -%}
        null as {{ column }},
        {% endfor -%}
        anchor_on,
        first_seen_on
    from anchors

),

positioned as (

    select
        user_id,
        anchor_on,
        step_on,
        {% for aggregate, column, window in purchasing_power.sliding_aggregates() -%}
        {{ aggregate }}({{ column }}) over (
            partition by user_id order by on_day range between {{ window[0] }} preceding and {{ window[1] + 1 }} preceding
        ) as {{ purchasing_power.sliding_name(aggregate, column, window) }},
        {% endfor -%}
        {% for days in boundaries -%}
        count(step_on) over (
            partition by user_id order by on_day
            range between unbounded preceding and {{ days + 1 if days >= 0 else -days - 1 }} {{ 'preceding' if days >= 0 else 'following' }}
        ) as {{ purchasing_power.steps_before(days) }},
        {% endfor -%}
        first_seen_on
    from points

),

{% endif -%}
windowed as (

    select
        positioned.user_id,
        positioned.anchor_on,
        positioned.first_seen_on,
        {% if at -%}
        coalesce({{ purchasing_power.totals_before(0) }}.step_index, 0) as steps_before,
        {% else -%}
        positioned.{{ purchasing_power.steps_before(0) }} as steps_before,
        {% endif -%}
        {% if labels -%}
        -- what comes back is no negative demand
        greatest({{ purchasing_power.total_within('sum_spend', [0, -horizon]) }}, 0) as label_spend,
        {{ purchasing_power.total_within('sum_orders', [0, -horizon]) }} as label_orders,
        {% endif -%}
        {% for entry in catalogue if entry.window is defined -%}
        {{ purchasing_power.window_value(entry) }} as {{ entry.name }}{{ ',' if not loop.last }}
        {% endfor %}
    from positioned
    {% for days in boundaries -%}
    {% set alias = purchasing_power.totals_before(days) -%}
    {% if at -%}
    left join (
        select * from {{ totals }}
        where
            step_on < {{ at }} - {{ days }}
            and (next_step_on is null or next_step_on >= {{ at }} - {{ days }})
    ) as {{ alias }}
        on positioned.user_id = {{ alias }}.user_id
    {% else -%}
    left join (
        select * from {{ totals }}
        where user_id in (select anchors.user_id from anchors)
    ) as {{ alias }}
        on
            positioned.user_id = {{ alias }}.user_id
            and positioned.{{ purchasing_power.steps_before(days) }} = {{ alias }}.step_index
    {% endif -%}
    {% endfor -%}
    {%- if not at %}
    where positioned.step_on is null
    {%- endif %}

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
        {%- set value = entry.name if entry.window is defined else purchasing_power.render_calendar(entry.sql) -%}
        cast({{ value }} as {{ purchasing_power.type_double() }}) as {{ entry.name }}{{ ',' if not loop.last }}
        {% endfor %}
    from windowed

)
{% endmacro %}


{#- The aggregates of the context catalogue with the window of each: lists of function, column, window. -#}
{% macro windowed_aggregates() %}
    {% set found = [] %}
    {% for entry in purchasing_power.context_catalogue() if entry.window is defined %}
        {% for aggregate, column in modules.re.findall(purchasing_power.aggregate_pattern(), entry.sql) %}
            {% do found.append([aggregate, column, entry.window]) %}
        {% endfor %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{#- The regular expression that takes an aggregate of the catalogue apart. -#}
{% macro aggregate_pattern() %}
    {{ return('\\b(sum|max|min|count)\\((\\w+)\\)') }}
{% endmacro %}


{#- Whether the aggregate cannot be made of running totals: the largest of a window is no difference. -#}
{% macro is_sliding(aggregate, window) %}
    {{ return(aggregate in ('max', 'min') and window[0] is not none) }}
{% endmacro %}


{#- The aggregates that are running totals, each once: lists of function, column. What labels add up is among them. -#}
{% macro running_aggregates() %}
    {% set found = [['sum', 'spend'], ['sum', 'orders']] %}
    {% for aggregate, column, window in purchasing_power.windowed_aggregates() if not purchasing_power.is_sliding(aggregate, window) %}
        {% if [aggregate, column] not in found %}
            {% do found.append([aggregate, column]) %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{#- Select list of those totals, up to each step. -#}
{% macro running_columns() %}
    {% set columns = [] %}
    {% for aggregate, column in purchasing_power.running_aggregates() %}
        {% do columns.append(aggregate ~ '(' ~ column ~ ') over so_far as ' ~ aggregate ~ '_' ~ column) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{#- The aggregates that slide over the steps, each once: lists of function, column, window. -#}
{% macro sliding_aggregates() %}
    {% set found = [] %}
    {% for aggregate, column, window in purchasing_power.windowed_aggregates() if purchasing_power.is_sliding(aggregate, window) %}
        {% if [aggregate, column, window] not in found %}
            {% do found.append([aggregate, column, window]) %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{#- The columns that such aggregates read. -#}
{% macro sliding_columns() %}
    {{ return(purchasing_power.sliding_aggregates() | map(attribute=1) | unique | list) }}
{% endmacro %}


{#- The name under which such an aggregate over a window is kept. -#}
{% macro sliding_name(aggregate, column, window) %}
    {{ return(aggregate ~ '_' ~ column ~ '_' ~ window[0] ~ '_to_' ~ window[1]) }}
{% endmacro %}


{#- The name of the column that counts a user's steps up to so many days before an anchor. -#}
{% macro steps_before(days) %}
    {{ return('steps_before_' ~ purchasing_power.days_in_name(days)) }}
{% endmacro %}


{#- The name under which the running totals of so many days before an anchor are joined. -#}
{% macro totals_before(days) %}
    {{ return('totals_before_' ~ purchasing_power.days_in_name(days)) }}
{% endmacro %}


{#- Days back from the anchor; those ahead are the label's. -#}
{% macro days_in_name(days) %}
    {{ return(days if days >= 0 else 'next_' ~ -days) }}
{% endmacro %}


{#- A running total within [from, to) days before the anchor. -#}
{% macro total_within(column, window) %}
    {%- set ends = [] -%}
    {%- for days in [window[1], window[0]] if days is not none -%}
        {%- do ends.append('coalesce(' ~ purchasing_power.totals_before(days) ~ '.' ~ column ~ ', 0)') -%}
    {%- endfor -%}
    {{ return('(' ~ ends | join(' - ') ~ ')' if ends | length > 1 else ends[0]) }}
{% endmacro %}


{#- A catalogue entry's SQL over running totals: coalesce(sum(x), 0) -> coalesce((total before its end - total before it), 0). -#}
{% macro windowed_aggregate(entry) %}
    {%- set ns = namespace(sql=entry.sql) -%}
    {%- for aggregate, column in modules.re.findall(purchasing_power.aggregate_pattern(), entry.sql) | unique -%}
        {%- if purchasing_power.is_sliding(aggregate, entry.window) -%}
            {%- set value = 'positioned.' ~ purchasing_power.sliding_name(aggregate, column, entry.window) -%}
        {%- elif aggregate in ('max', 'min') -%}
            {%- set value = purchasing_power.totals_before(entry.window[1]) ~ '.' ~ aggregate ~ '_' ~ column -%}
        {%- else -%}
            {%- set value = purchasing_power.total_within(aggregate ~ '_' ~ column, entry.window) -%}
        {%- endif -%}
        {%- set ns.sql = ns.sql | replace(aggregate ~ '(' ~ column ~ ')', value) -%}
    {%- endfor -%}
    {{ return(ns.sql) }}
{% endmacro %}


{#- The running totals' column that is the date of a step in which a channel is above 0. -#}
{% macro step_with(channel) %}
    {{ return('step_with_' ~ channel ~ '_on') }}
{% endmacro %}
