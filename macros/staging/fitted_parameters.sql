{#-
    The cleaning parameters of one relation's columns, over the rows of a CTE (columns as named, and category): a select of
    (relation, column_name, category, row_count, upper_fence, mean, median), one row a column over all rows (category NULL)
    and one a category that has enough rows to speak for itself. `derived` names columns of the CTE that only want a median,
    for which fewer rows do.
    Fences look at sizes, the sign apart; means and medians leave out what was given back.
-#}
{% macro fitted_parameters(input_name, rows, derived=[]) %}
{%- set rules = purchasing_power.cleaning_rules(input_name) -%}
{%- for column in rules.keys() | list + derived %}
{%- set fence = rules[column].outliers if column in rules else {'method': 'none'} %}
select
    '{{ input_name }}' as relation,
    '{{ column }}' as column_name,
    category,
    count({{ column }}) as row_count,
    {% if fence.method == 'iqr' -%}
    greatest(
        exp(
            (1 + {{ fence.factor }}) * ln(1 + {{ purchasing_power.size_percentile(column, 0.75) }})
            - {{ fence.factor }} * ln(1 + {{ purchasing_power.size_percentile(column, 0.25) }})
        ) - 1,
        case when grouping(category) = 1 then 10 else 5 end * {{ purchasing_power.size_percentile(column, 0.75) }}
    ) as upper_fence,
    {% elif fence.method == 'quantile' -%}
    {{ purchasing_power.size_percentile(column, fence.quantile) }} as upper_fence,
    {% else -%}
    cast(null as {{ purchasing_power.type_double() }}) as upper_fence,
    {% endif -%}
    avg(cast(case when {{ column }} >= 0 then {{ column }} end as decimal(28, 8))) as mean,
    percentile_cont(0.5) within group (
        order by case when {{ column }} >= 0 then {{ column }} end
    ) as median
from {{ rows }}
group by rollup (category)
having
    count({{ column }}) > 0
    and (
        grouping(category) = 1
        or (category is not null and count({{ column }}) >= {{ purchasing_power.rows_to_speak_for_a_category(column in derived) }})
    )
{{ 'union all' if not loop.last }}
{%- endfor %}
{% endmacro %}


{#- Aggregate: a percentile of the size of what is not zero. -#}
{% macro size_percentile(column, share) %}
    {{ return('percentile_cont(' ~ share ~ ') within group (order by nullif(abs(' ~ column ~ '), 0))') }}
{% endmacro %}


{#- Of fewer rows a median, and sooner a quartile, wanders; the parameters of all rows hold instead. -#}
{% macro rows_to_speak_for_a_category(median_alone) %}
    {{ return(10 if median_alone else 100) }}
{% endmacro %}


{#- Select list of what parameters are fitted on: the cleaned columns of an input relation, in double precision, and the category. -#}
{% macro known_numbers(input_name, relation) %}
    {% set number = purchasing_power.type_double() %}
    {% set columns = [] %}
    {% for column in purchasing_power.cleaning_rules(input_name) %}
        {% do columns.append('cast(' ~ relation ~ '.' ~ column ~ ' as ' ~ number ~ ') as ' ~ column) %}
    {% endfor %}
    {% if input_name == 'order_lines' %}
        {% do columns.append(
            'cast(' ~ relation ~ '.amount as ' ~ number ~ ') / nullif(coalesce(' ~ relation ~ '.quantity, 1), 0) as unit_price'
        ) %}
        {% do columns.append(relation ~ '.category') %}
    {% else %}
        {% do columns.append('cast(null as ' ~ dbt.type_string() ~ ') as category') %}
    {% endif %}
    {{ return(columns) }}
{% endmacro %}
