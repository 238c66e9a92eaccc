{#- Nothing is lost: every checked row is staged or rejected, and none is both. -#}
{% test purchasing_power__staged_and_rejected_reconcile(model, input_name) %}
with

checked as (

    select count(*) as row_count from {{ ref('int_purchasing_power__' ~ input_name ~ '_checked') }}

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
    checked.row_count as checked_rows,
    staged.row_count as staged_rows,
    rejected.row_count as rejected_rows
from checked
cross join staged
cross join rejected
where checked.row_count != staged.row_count + rejected.row_count
{% endtest %}
