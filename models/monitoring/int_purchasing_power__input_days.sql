{#-
    What each log holds, day by day: a row a log, measure and watched day. `kind` says how total, base and squares are read:
      count   total
      share   total of base rows
      value   the mean of base logarithms that add up to total, and their squares to squares
    Rows that were refused count as rows: that they are refused is a measure too.
-#}
{%- set logs = {
    'order_lines': {'at': 'ordered_at', 'columns': ['order_id', 'product_id', 'quantity', 'amount', 'discount_amount', 'currency']},
    'browse_events': {'at': 'occurred_at', 'columns': ['session_id', 'event_type', 'product_id', 'event_count', 'duration_seconds']},
    'reviews': {'at': 'reviewed_at', 'columns': ['product_id', 'rating', 'review_text']},
} -%}
{%- set double = purchasing_power.type_double() -%}
with

watched as (

    select
        as_of_date,
        {{ purchasing_power.watched_since('as_of_date') }} as since
    from {{ ref('int_purchasing_power__as_of') }}

),

calendar as (

    select spine.date_day as observed_on
    from {{ ref('purchasing_power__time_spine') }} as spine
    inner join watched
        on
            watched.since <= spine.date_day
            and watched.as_of_date > spine.date_day

),

lines as (

    select
        product_id,
        cast(ordered_at as date) as observed_on,
        amount > 0 as is_bought,
        ln(cast(case when amount > 0 then amount end as {{ double }})) as log_amount,
        -- before discounts: a sale is no change of prices
        ln(cast(
            case when amount > 0 and quantity > 0 then (amount + greatest(coalesce(discount_amount, 0), 0)) / quantity end as {{ double }}
        )) as log_unit_price
    from {{ ref('stg_purchasing_power__order_lines') }}
    cross join watched
    where
        ordered_at >= watched.since
        and ordered_at < watched.as_of_date

),

product_days as (

    select
        product_id,
        observed_on,
        count(log_unit_price) as line_count,
        sum(log_unit_price) as log_prices
    from lines
    where
        product_id is not null
        and log_unit_price is not null
    group by product_id, observed_on

),

earlier_prices as (

    select
        product_id,
        observed_on,
        sum(log_prices) over earlier / sum(line_count) over earlier as usual_log_price
    from product_days
    window earlier as (partition by product_id order by observed_on rows between unbounded preceding and 1 preceding)

),

log_ratios as (

    -- a price index of matched products: what each costs beside what it cost before, whatever is bought today. Cut at three
    -- times as dear or cheap, so that a few absurd lines do not hide what happens to all the others
    select
        lines.observed_on,
        least(greatest(lines.log_unit_price - earlier_prices.usual_log_price, ln(1 / 3.0)), ln(3.0)) as log_ratio
    from lines
    inner join earlier_prices
        on
            lines.product_id = earlier_prices.product_id
            and lines.observed_on = earlier_prices.observed_on
    where
        lines.log_unit_price is not null
        and earlier_prices.usual_log_price is not null

),

price_days as (

    select
        observed_on,
        count(*) as line_count,
        sum(log_ratio) as log_ratios,
        sum(log_ratio * log_ratio) as squared_ratios
    from log_ratios
    group by observed_on

),

line_days as (

    select
        observed_on,
        count(log_amount) as line_count,
        sum(log_amount) as log_amounts,
        sum(log_amount * log_amount) as squared_amounts
    from lines
    group by observed_on

),

{% for log, spec in logs.items() -%}
{{ log }}_days as (

    select
        cast(checked.{{ spec.at }} as date) as observed_on,
        count(*) as row_count,
        count(distinct checked.user_id) as user_count,
        {% if log == 'order_lines' -%}
        count(distinct case when checked.amount > 0 then checked.order_id end) as order_count,
        sum(case when checked.amount < 0 then 1 else 0 end) as refund_count,
        {% elif log == 'browse_events' -%}
        sum(case when checked.rejection_reason = 'bot' then 1 else 0 end) as bot_count,
        {% for event_type in purchasing_power.setting('event_types') -%}
        sum(
            case
                when
                    coalesce(checked.rejection_reason, '') != 'bot'
                    and lower(checked.event_type) = {{ purchasing_power.text_literal(event_type | lower) }}
                    then 1
                else 0
            end
        ) as {{ purchasing_power.event_channel(event_type) }},
        {% endfor -%}
        {% endif -%}
        {% for column in spec.columns if purchasing_power.has_input(log, column) -%}
        sum(case when checked.{{ column }} is null then 1 else 0 end) as missing_{{ column }},
        {% endfor -%}
        sum(case when checked.rejection_reason is not null then 1 else 0 end) as rejected_count
    from {{ ref('int_purchasing_power__' ~ log ~ '_checked') }} as checked
    cross join watched
    where
        checked.{{ spec.at }} >= watched.since
        and checked.{{ spec.at }} < watched.as_of_date
    group by cast(checked.{{ spec.at }} as date)

),

{% set measures = [
    ('rows', 'count', 'days.row_count', 'null', 'null'),
    ('users', 'count', 'days.user_count', 'null', 'null'),
    ('rejected rows', 'share', 'days.rejected_count', 'days.row_count', 'null'),
] -%}
{%- if log == 'order_lines' -%}
    {%- if purchasing_power.has_input(log, 'order_id') -%}
        {%- do measures.append(('orders', 'count', 'days.order_count', 'null', 'null')) -%}
    {%- endif -%}
    {%- do measures.append(('refunds', 'share', 'days.refund_count', 'days.row_count', 'null')) -%}
    {%- do measures.append(('line amount', 'value', 'line_days.log_amounts', 'line_days.line_count', 'line_days.squared_amounts')) -%}
    {%- do measures.append(('price index', 'value', 'price_days.log_ratios', 'price_days.line_count', 'price_days.squared_ratios')) -%}
{%- elif log == 'browse_events' -%}
    {%- do measures.append(('rows of bots', 'count', 'days.bot_count', 'null', 'null')) -%}
    {%- do measures.append(('bots', 'share', 'days.bot_count', 'days.row_count', 'null')) -%}
    {%- if purchasing_power.has_input(log, 'event_type') -%}
        {%- for event_type in purchasing_power.setting('event_types') -%}
            {%- do measures.append((event_type ~ ' events', 'count', 'days.' ~ purchasing_power.event_channel(event_type), 'null', 'null')) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endif -%}
{%- for column in spec.columns if purchasing_power.has_input(log, column) -%}
    {%- do measures.append(('no ' ~ column, 'share', 'days.missing_' ~ column, 'days.row_count', 'null')) -%}
{%- endfor -%}
measured_{{ log }} as (

    -- one pass over the days, not one a measure: not every engine keeps what a common table expression made
    select
        measures.measure,
        measures.kind,
        calendar.observed_on,
        cast(case measures.measure
            {%- for measure, kind, total, base, squares in measures %}
            when {{ purchasing_power.text_literal(measure) }} then {{ 'coalesce(' ~ total ~ ', 0)' if kind == 'count' else total }}
            {%- endfor %}
        end as {{ double }}) as total,
        cast(case measures.measure
            {%- for measure, kind, total, base, squares in measures if kind != 'count' %}
            when {{ purchasing_power.text_literal(measure) }} then {{ base }}
            {%- endfor %}
        end as {{ double }}) as base,
        cast({% if log == 'order_lines' -%}
        case measures.measure
            {%- for measure, kind, total, base, squares in measures if kind == 'value' %}
            when {{ purchasing_power.text_literal(measure) }} then {{ squares }}
            {%- endfor %}
        end
        {%- else -%} null {%- endif %} as {{ double }}) as squares,
        min(case when days.row_count > 0 then calendar.observed_on end) over () as first_seen_on
    from calendar
    cross join (
        values
        {% for measure, kind, total, base, squares in measures -%}
        ({{ purchasing_power.text_literal(measure) }}, '{{ kind }}'){{ ',' if not loop.last }}
        {% endfor %}
    ) as measures (measure, kind)
    left join {{ log }}_days as days on calendar.observed_on = days.observed_on
    {%- if log == 'order_lines' %}
    left join line_days on calendar.observed_on = line_days.observed_on
    left join price_days on calendar.observed_on = price_days.observed_on
    {%- endif %}

),

{% endfor -%}
measured as (

    {% for log in logs -%}
    select
        '{{ log }}' as input_name,
        measure,
        kind,
        observed_on,
        total,
        base,
        squares
    from measured_{{ log }}
    -- before its first row a log is not empty, it is not there
    where observed_on >= first_seen_on
    {%- if not loop.last %}
    union all
    {% endif %}
    {%- endfor %}

)

select * from measured
