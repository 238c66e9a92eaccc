{#-
    Nothing is lost on the way in: the user's relations behind an input have as many rows as were checked. A warning by
    default, because a live table takes new rows between the build and its test.
-#}
{% test purchasing_power__every_input_row_is_checked(model, input_name) %}
{{ config(severity='warn') }}
with

given as (

    select coalesce(sum(row_count), 0) as row_count
    from (
        {% for entry in purchasing_power.input_mappings(input_name) -%}
        select count(*) as row_count from {{ purchasing_power.input_rows(entry) }}
        union all
        {% endfor -%}
        select 0 as row_count
    ) as counted

),

checked as (

    select count(*) as row_count from {{ model }}

)

select
    given.row_count as given_rows,
    checked.row_count as checked_rows
from given
cross join checked
where given.row_count != checked.row_count
{% endtest %}
