{#-
    Append-only, as the scaling is: what the inputs were cleaned with must stay what it was. New parameters are fitted when
    there are none for the present rules, or when purchasing_power__refit_cleaning asks for them.
-#}
{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false, on_schema_change='fail') }}

{%- set horizon = purchasing_power.setting('horizon_days') | int -%}
{%- set earliest = "cast('" ~ purchasing_power.setting('earliest_date') ~ "' as date)" -%}
{%- set number = purchasing_power.type_double() -%}
{%- set is_frozen = (
    not purchasing_power.setting('refit_cleaning')
    and purchasing_power.is_fitted(this, "known.cleaning_hash = '" ~ purchasing_power.cleaning_hash() ~ "'")
) -%}
{%- set fitted = ['relation', 'column_name', 'category', 'upper_fence', 'mean', 'median'] -%}
with

fit_window as (

    select as_of_date - {{ horizon }} as fitted_before
    from {{ ref('int_purchasing_power__as_of') }}

),

{% for input_name, time_column, relation in [
    ('order_lines', 'ordered_at', 'int_purchasing_power__order_lines_priced'),
    ('browse_events', 'occurred_at', 'purchasing_power__browse_events'),
    ('reviews', 'reviewed_at', 'purchasing_power__reviews'),
] -%}
known_{{ input_name }} as (

    select
        {{ purchasing_power.known_numbers(input_name, 'given') | join(',\n        ') }}
    from {{ ref(relation) }} as given
    cross join fit_window
    where
        {{ '1 = 0 and' if is_frozen }} given.user_id is not null
        and given.{{ time_column }} >= {{ earliest }}
        and given.{{ time_column }} < fit_window.fitted_before
        and {{ purchasing_power.user_split('given.user_id') }} = 'train'
        and not ({{ purchasing_power.is_test_user('given.user_id') }})

),

{% endfor -%}
known_products as (

    select
        cast(list_price as {{ number }}) as list_price,
        category
    from {{ ref('stg_purchasing_power__products') }}

),

parameters as (

    {{ purchasing_power.fitted_parameters('order_lines', 'known_order_lines', derived=['unit_price']) }}
    union all
    {{ purchasing_power.fitted_parameters('browse_events', 'known_browse_events') }}
    {% if purchasing_power.cleaning_rules('reviews') -%}
    union all
    {{ purchasing_power.fitted_parameters('reviews', 'known_reviews') }}
    {% endif -%}
    union all
    {{ purchasing_power.fitted_parameters('products', 'known_products', derived=['list_price']) }}

),

rounded as (

    -- rounded, so that the order in which rows were summed leaves no trace
    select
        relation,
        column_name,
        category,
        row_count,
        cast({{ purchasing_power.rounded('upper_fence', 6) }} as {{ number }}) as upper_fence,
        cast({{ purchasing_power.rounded('mean', 6) }} as {{ number }}) as mean,
        cast({{ purchasing_power.rounded('median', 6) }} as {{ number }}) as median
    from parameters

),

digest as (

    select
        sum({{ purchasing_power.row_digest(fitted) }}) as fitted,
        -- without an order there is nothing to freeze yet
        count(case when column_name = 'amount' then 1 end) as amount_rows
    from rounded

),

versioned as (

    select
        substr(md5(
            '{{ purchasing_power.cleaning_hash() }}'
            || cast(fit_window.fitted_before as {{ dbt.type_string() }})
            || cast(digest.fitted as {{ dbt.type_string() }})
        ), 1, 12) as cleaning_version,
        '{{ purchasing_power.cleaning_hash() }}' as cleaning_hash,
        rounded.relation,
        rounded.column_name,
        rounded.category,
        rounded.row_count,
        rounded.upper_fence,
        rounded.mean,
        rounded.median,
        fit_window.fitted_before,
        cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}' as {{ dbt.type_timestamp() }}) as fitted_at
    from rounded
    cross join fit_window
    cross join digest
    where digest.amount_rows > 0

),

fresh as (

    select * from versioned
    {% if is_incremental() -%}
    where
        cleaning_version not in (select known.cleaning_version from {{ this }} as known)
        {% if not purchasing_power.setting('refit_cleaning') -%}
        and cleaning_hash not in (select known.cleaning_hash from {{ this }} as known)
        {%- endif %}
    {%- endif %}

)

select * from fresh
