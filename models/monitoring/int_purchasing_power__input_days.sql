{#-
    What each log holds, day by day: a row a log, measure and watched day. `kind` says how total, base and squares are read:
      count   total
      share   total of base rows
      value   the mean of base logarithms that add up to total, and their squares to squares
    Rows that were refused count as rows: that they are refused is a measure too.
-#}
{%- set logs = purchasing_power.watched_logs() -%}
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
            spine.date_day >= watched.since
            and spine.date_day < watched.as_of_date

),

lines as (

    select
        given.product_id,
        cast(given.ordered_at as date) as observed_on,
        ln(cast(case when given.amount > 0 then given.amount end as {{ double }})) as log_amount,
        -- before discounts: a sale is no change of prices
        ln(cast(
            case
                when given.amount > 0 and given.quantity > 0
                    then (given.amount + greatest(coalesce(given.discount_amount, 0), 0)) / given.quantity
            end as {{ double }}
        )) as log_unit_price
    from {{ ref('stg_purchasing_power__order_lines') }} as given
    cross join watched
    where
        given.ordered_at >= watched.since
        and given.ordered_at < watched.as_of_date

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
    window earlier as (
        partition by product_id order by observed_on
        rows between unbounded preceding and 1 preceding
    )

),

log_ratios as (

    -- a price index of matched products: what each costs beside what it cost before, whatever is bought today. Cut
    -- at three times as dear or cheap, so that a few absurd lines do not hide what happens to all the others
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
        cast(judged.{{ spec.at }} as date) as observed_on,
        count(*) as row_count,
        count(distinct judged.user_id) as user_count,
        {% if log == 'order_lines' -%}
        count(distinct case when judged.amount > 0 then judged.order_id end) as order_count,
        sum(case when judged.amount < 0 then 1 else 0 end) as refund_count,
        {% elif log == 'browse_events' -%}
        sum(case when judged.rejection_reason = 'bot' then 1 else 0 end) as bot_count,
        {% for event_type in purchasing_power.setting('event_types') -%}
        sum(
            case
                when
                    coalesce(judged.rejection_reason, '') != 'bot'
                    and lower(judged.event_type) = {{ purchasing_power.text_literal(event_type | lower) }}
                    then 1
                else 0
            end
        ) as {{ purchasing_power.event_channel(event_type) }},
        {% endfor -%}
        {% endif -%}
        {% for column in spec.columns if purchasing_power.has_input(log, column) -%}
        sum(case when judged.{{ column }} is null then 1 else 0 end) as missing_{{ column }},
        {% endfor -%}
        sum(case when judged.rejection_reason is not null then 1 else 0 end) as rejected_count
    from {{ ref('int_purchasing_power__' ~ log ~ '_checked') }} as judged
    cross join watched
    where
        judged.{{ spec.at }} >= watched.since
        and judged.{{ spec.at }} < watched.as_of_date
    group by cast(judged.{{ spec.at }} as date)

),

{% set measures = purchasing_power.log_measures(log, spec.columns) -%}
measured_{{ log }} as (

    -- one pass over the days, not one a measure: not every engine keeps what a common table expression made
    select
        measures.measure,
        measures.kind,
        calendar.observed_on,
        cast({{ purchasing_power.of_measure(measures, 'total') }} as {{ double }}) as total,
        cast({{ purchasing_power.of_measure(measures, 'base') }} as {{ double }}) as base,
        cast({{ purchasing_power.of_measure(measures, 'squares') }} as {{ double }}) as squares,
        min(case when log_days.row_count > 0 then calendar.observed_on end) over () as first_seen_on
    from calendar
    cross join (
        values
        {% for entry in measures -%}
        ({{ purchasing_power.text_literal(entry.name) }}, '{{ entry.kind }}'){{ ',' if not loop.last }}
        {% endfor %}
    ) as measures (measure, kind)
    left join {{ log }}_days as log_days on calendar.observed_on = log_days.observed_on
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
