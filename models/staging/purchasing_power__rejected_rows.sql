{#- A view: the rows are in the checked tables, and writing them down again took each run longer the older the shop. -#}
{{ config(materialized='view') }}

{%- set input_names = purchasing_power.input_contract().keys() | list -%}
with

{% for input_name in input_names -%}
{%- set key = purchasing_power.input_keys(input_name)[0] -%}
refused_{{ input_name }} as (

    select
        '{{ input_name }}' as relation,
        {{ key }} as row_key,
        rejection_reason as reason,
        raw_values
    from {{ ref('int_purchasing_power__' ~ input_name ~ '_checked') }}
    where rejection_reason is not null

),

{% endfor -%}
refused as (

    {% for input_name in input_names -%}
    select * from refused_{{ input_name }}
    {%- if not loop.last %}
    union all
    {% endif %}
    {%- endfor %}

)

select * from refused
