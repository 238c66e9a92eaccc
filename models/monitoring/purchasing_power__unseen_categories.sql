{#-
    The share of each day's rows whose category the model has never met: what was not there before the date up to which its
    scaling was fitted. A product is known once it stands among the products, whenever that was.
-#}
{%- set rules = purchasing_power.monitoring_rules() -%}
{%- set double = purchasing_power.type_double() -%}
{%- set noise = '(greatest(usual * (1 - usual), 0) + 1 / row_count) / row_count' -%}
{%- set watched_columns = [] -%}
{%- for log, column, at, expression in [
    ('order_lines', 'currency', 'ordered_at', 'checked.currency'),
    ('order_lines', 'product_id', 'ordered_at', 'checked.product_id'),
    ('browse_events', 'event_type', 'occurred_at', 'lower(checked.event_type)'),
    ('browse_events', 'product_id', 'occurred_at', 'checked.product_id'),
    ('reviews', 'product_id', 'reviewed_at', 'checked.product_id'),
] if purchasing_power.has_input(log, column) and (column != 'product_id' or purchasing_power.has_input('products')) -%}
    {%- do watched_columns.append({'log': log, 'column': column, 'at': at, 'expression': expression}) -%}
{%- endfor %}
{#- Named here too: a shop without such columns reads none of them, and unit tests need their inputs built first. -#}
-- depends_on: {{ ref('int_purchasing_power__order_lines_checked') }}
-- depends_on: {{ ref('int_purchasing_power__browse_events_checked') }}
-- depends_on: {{ ref('int_purchasing_power__reviews_checked') }}
-- depends_on: {{ ref('stg_purchasing_power__products') }}
with

watched as (

    select
        as_of.as_of_date,
        {{ purchasing_power.watched_since('as_of.as_of_date') }} as since,
        coalesce(
            (
                select min(scaling.fitted_before) as fitted_before
                from {{ ref('purchasing_power__scaling') }} as scaling
                inner join {{ ref('purchasing_power__settings') }} as current_settings
                    on scaling.scaling_version = current_settings.scaling_version
            ),
            {{ purchasing_power.watched_since('as_of.as_of_date') }}
        ) as learnt_before
    from {{ ref('int_purchasing_power__as_of') }} as as_of

),

{% for entry in watched_columns -%}
known_{{ entry.log }}_{{ entry.column }} as (

    {% if entry.column == 'product_id' -%}
    select distinct product_id as category
    from {{ ref('stg_purchasing_power__products') }}
    {%- else -%}
    select distinct {{ entry.expression }} as category
    from {{ ref('int_purchasing_power__' ~ entry.log ~ '_checked') }} as checked
    cross join watched
    where checked.{{ entry.at }} < watched.learnt_before
    {%- endif %}

),

{{ entry.log }}_{{ entry.column }}_days as (

    select
        '{{ entry.log }}' as input_name,
        '{{ entry.column }}' as column_name,
        given.observed_on,
        sum(given.row_count) as row_count,
        sum(case when known.category is null then given.row_count else 0 end) as unseen_count,
        min(case when known.category is null then given.category end) as example
    from (
        select
            cast(checked.{{ entry.at }} as date) as observed_on,
            {{ entry.expression }} as category,
            count(*) as row_count
        from {{ ref('int_purchasing_power__' ~ entry.log ~ '_checked') }} as checked
        cross join watched
        where
            checked.{{ entry.at }} >= watched.since
            and checked.{{ entry.at }} < watched.as_of_date
            and {{ entry.expression }} is not null
        group by cast(checked.{{ entry.at }} as date), {{ entry.expression }}
    ) as given
    left join known_{{ entry.log }}_{{ entry.column }} as known on given.category = known.category
    group by given.observed_on

),

{% endfor -%}
days as (

    {% for entry in watched_columns -%}
    select * from {{ entry.log }}_{{ entry.column }}_days
    union all
    {% endfor -%}
    select
        cast(null as {{ dbt.type_string() }}) as input_name,
        cast(null as {{ dbt.type_string() }}) as column_name,
        cast(null as date) as observed_on,
        cast(null as {{ dbt.type_bigint() }}) as row_count,
        cast(null as {{ dbt.type_bigint() }}) as unseen_count,
        cast(null as {{ dbt.type_string() }}) as example
    from watched
    where 1 = 0

),

shares as (

    select
        input_name,
        column_name,
        observed_on,
        cast(row_count as {{ double }}) as row_count,
        cast(unseen_count as {{ double }}) / row_count as unseen_share,
        example
    from days

),

limited as (

    select
        *,
        {{ purchasing_power.usual('unseen_share', ['input_name', 'column_name'], weight='row_count') }}
    from shares

),

judged as (

    select
        *,
        {{ purchasing_power.departure('unseen_share', noise) }} as departure
    from limited

),

unseen_categories as (

    select

        ----------  ids
        input_name,
        column_name,
        observed_on,

        ----------  text
        example,

        ----------  numerics
        cast(row_count as {{ dbt.type_bigint() }}) as row_count,
        cast(unseen_share as {{ double }}) as unseen_share,
        cast(usual as {{ double }}) as usual_share,
        cast(departure as {{ double }}) as departure,

        ----------  booleans
        observed_on = max(observed_on) over () as is_newest,
        departure >= {{ rules.departures }} and unseen_share - usual >= {{ rules.share_change }} as is_unusual

    from judged

)

select * from unseen_categories
