{{ config(materialized='view') }}

{%- set columns = purchasing_power.input_contract()['order_lines'] -%}
{%- set converts = purchasing_power.has_input('order_lines', 'currency') %}
{#- Named here too: a shop of one currency reads no rates, and unit tests need their inputs built first. -#}
-- depends_on: {{ ref('stg_purchasing_power__exchange_rates') }}
with

order_lines as (

    select * from {{ ref('purchasing_power__order_lines') }}

),

products as (

    select * from {{ ref('stg_purchasing_power__products') }}

),

{% if converts -%}
exchange_rates as (

    select * from {{ ref('stg_purchasing_power__exchange_rates') }}

),

rated as (

    select
        order_lines.*,
        case
            when
                order_lines.currency is null
                or order_lines.currency = upper({{ purchasing_power.text_literal(purchasing_power.setting('currency')) }})
                then 1
            else exchange_rates.rate
        end as exchange_rate
    from order_lines
    left join exchange_rates
        on
            order_lines.currency = exchange_rates.currency
            and (exchange_rates.valid_from is null or order_lines.ordered_at >= exchange_rates.valid_from)
            and (exchange_rates.valid_until is null or order_lines.ordered_at < exchange_rates.valid_until)

),
{%- else -%}
rated as (

    select
        *,
        1 as exchange_rate
    from order_lines

),
{%- endif %}

priced as (

    select
        {% for column, spec in columns.items() -%}
        {% if spec.type == 'money' and converts -%}
        case
            when rated.exchange_rate = 1 then rated.{{ column }}
            else {{ purchasing_power.contract_cast('rated.' ~ column ~ ' * rated.exchange_rate', 'money') }}
        end as {{ column }},
        {% else -%}
        rated.{{ column }},
        {% endif -%}
        {% endfor -%}
        rated.mapping_position,
        rated.raw_values,
        rated.raw_hash,
        rated.exchange_rate,
        products.category
    from rated
    left join products on rated.product_id = products.product_id

)

select * from priced
