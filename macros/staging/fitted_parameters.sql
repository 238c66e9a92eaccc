{#-
    The cleaning parameters of one relation's columns, over the rows of a CTE (columns as named, and category): a select of
    (relation, column_name, category, row_count, upper_fence, mean, median), one row a column over all rows (category NULL)
    and one a category that has enough rows to speak for itself. `derived` names columns of the CTE that only want a median,
    for which fewer rows do.
    Fences look at sizes, the sign apart; means and medians leave out what was given back. Percentiles are found among counted
    values: a percentile aggregate holds every row in memory, and a log of any length has only so many different numbers.
-#}
{% macro fitted_parameters(input_name, rows, derived=[]) %}
{%- set rules = purchasing_power.cleaning_rules(input_name) -%}
{%- for column in rules.keys() | list + derived %}
{%- set fence = rules[column].outliers if column in rules else {'method': 'none'} %}
select
    '{{ input_name }}' as relation,
    '{{ column }}' as column_name,
    category,
    cast(sum(value_count) as {{ dbt.type_bigint() }}) as row_count,
    {% if fence.method == 'iqr' -%}
    greatest(
        exp(
            (1 + {{ fence.factor }}) * ln(1 + {{ purchasing_power.counted_percentile('size', 0.75) }})
            - {{ fence.factor }} * ln(1 + {{ purchasing_power.counted_percentile('size', 0.25) }})
        ) - 1,
        case when is_overall then 10 else 5 end * {{ purchasing_power.counted_percentile('size', 0.75) }}
    ) as upper_fence,
    {% elif fence.method == 'quantile' -%}
    {{ purchasing_power.counted_percentile('size', fence.quantile) }} as upper_fence,
    {% else -%}
    cast(null as {{ purchasing_power.type_double() }}) as upper_fence,
    {% endif -%}
    cast(
        sum(case when number >= 0 then cast(number as decimal(28, 8)) * cast(value_count as decimal(10, 0)) end)
        as {{ purchasing_power.type_double() }}
    ) / nullif(sum(case when number >= 0 then value_count end), 0) as mean,
    {{ purchasing_power.counted_percentile('kept', 0.5) }} as median
from (
    select
        *,
        sum(case when number != 0 then value_count else 0 end) over up_to_it as size_rank,
        sum(case when number >= 0 then value_count else 0 end) over up_to_it as kept_rank,
        sum(case when number != 0 then value_count else 0 end) over (partition by is_overall, category) as size_count,
        sum(case when number >= 0 then value_count else 0 end) over (partition by is_overall, category) as kept_count
    from (
        select
            true as is_overall,
            cast(null as {{ dbt.type_string() }}) as category,
            {{ column }} as number,
            count(*) as value_count
        from {{ rows }}
        where {{ column }} is not null
        group by {{ column }}
        union all
        select
            false as is_overall,
            category,
            {{ column }} as number,
            count(*) as value_count
        from {{ rows }}
        where
            {{ column }} is not null
            and category is not null
        group by category, {{ column }}
    ) as counted_{{ column }}
    window up_to_it as (partition by is_overall, category order by abs(number), number)
) as ranked_{{ column }}
group by is_overall, category
having
    is_overall
    or sum(value_count) >= {{ purchasing_power.rows_to_speak_for_a_category(column in derived) }}
{{ 'union all' if not loop.last }}
{%- endfor %}
{% endmacro %}


{#-
    Aggregate over counted numbers: a percentile, between two of them where it falls there, of the size of what is not zero
    (`size`) or of what was not given back (`kept`). The rank of a number is how many rows there are up to it.
-#}
{% macro counted_percentile(of, share) %}
    {%- set condition = {'size': 'number != 0', 'kept': 'number >= 0'}[of] -%}
    {%- set place = '(' ~ share ~ ' * (' ~ of ~ '_count - 1))' -%}
    {%- set ends = [] -%}
    {%- for whole in ['floor', 'ceil'] -%}
        {%- do ends.append(
            'min(case when ' ~ condition ~ ' and ' ~ of ~ '_rank > ' ~ whole ~ place ~ ' then abs(number) end)'
        ) -%}
    {%- endfor -%}
    {{ return('(' ~ ends[0] ~ ' + (' ~ ends[1] ~ ' - ' ~ ends[0] ~ ') * max(' ~ place ~ ' - floor' ~ place ~ '))') }}
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
