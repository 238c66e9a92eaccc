{#- Nothing is lost: staged rows and rejected rows add up to the rows of the user's relations behind an input. -#}
{% test purchasing_power__staged_and_rejected_reconcile(model, input_name) %}
with

given as (

    select coalesce(sum(row_count), 0) as row_count
    from (
        {% for entry in purchasing_power.input_mappings(input_name) -%}
        select count(*) as row_count from {{ purchasing_power.input_source(entry['relation']) }}
        union all
        {% endfor -%}
        select 0 as row_count
    ) as counted

),

staged as (

    select count(*) as row_count from {{ model }}

),

rejected as (

    select count(*) as row_count
    from {{ ref('purchasing_power__rejected_rows') }}
    where relation = '{{ input_name }}'

)

select
    given.row_count as given_rows,
    staged.row_count as staged_rows,
    rejected.row_count as rejected_rows
from given
cross join staged
cross join rejected
where given.row_count != staged.row_count + rejected.row_count
{% endtest %}
