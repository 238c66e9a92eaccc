{#-
    The groups of purchasing_power__groups, as the shop's own customers relation has them: a view, so that who somebody is stands
    nowhere a second time, and goes when the shop deletes it.
-#}
{{ config(materialized='view') }}

{%- set groups = purchasing_power.setting('groups') -%}
{%- set mappings = purchasing_power.input_mappings('customers') if groups else [] %}
with

{% for entry in mappings -%}
mapped_{{ loop.index }} as (

    select
        {{ purchasing_power.contract_cast(purchasing_power.pseudonym('(' ~ entry['columns']['user_id'] ~ ')'), 'text') }} as user_id,
        {% for name, expression in groups.items() -%}
        {{ purchasing_power.contract_cast('(' ~ expression ~ ')', 'text') }} as {{ name }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ purchasing_power.input_rows(entry) }}

),

{% endfor -%}
named as (

    {% for entry in mappings -%}
    {%- set position = loop.index -%}
    {%- set is_last = loop.last -%}
    {% for name in groups -%}
    select
        user_id,
        '{{ name }}' as grouping_name,
        {{ name }} as group_name
    from mapped_{{ position }}
    {{ 'union all' if not (loop.last and is_last) }}
    {% endfor -%}
    {% else -%}
    select
        cast(null as {{ dbt.type_string() }}) as user_id,
        cast(null as {{ dbt.type_string() }}) as grouping_name,
        cast(null as {{ dbt.type_string() }}) as group_name
    where 1 = 0
    {%- endfor %}

),

customer_groups as (

    -- one group a user: the first by name of those that rows of theirs say
    select

        ----------  ids
        user_id,
        grouping_name,

        ----------  text
        min(group_name) as group_name

    from named
    where user_id is not null and group_name is not null
    group by user_id, grouping_name

)

select * from customer_groups
