{#-
    CTEs that put the frozen cleaning parameters beside the rows of a CTE. The last one, `limited`, has the rows' own columns
    and for each cleaned column <column>_fence, <column>_mean, <column>_median and <column>_group_median. Parameters of the
    product's category go before those of all rows; `by_category` says that the rows have a category.
-#}
{% macro with_cleaning(input_name, rows, by_category=false) %}
{%- set parameters = [] -%}
{%- for column in purchasing_power.cleaning_rules(input_name) -%}
    {%- do parameters.append([column, 'upper_fence', column ~ '_fence']) -%}
    {%- do parameters.append([column, 'mean', column ~ '_mean']) -%}
    {%- do parameters.append([column, 'median', column ~ '_median']) -%}
{%- endfor -%}
cleaning as (

    select *
    from {{ ref('purchasing_power__cleaning') }}
    where relation = '{{ input_name }}' and cleaning_version = ({{ purchasing_power.newest_cleaning() }})

),

overall_cleaning as (

    select
        {% for column, parameter, name in parameters -%}
        max(case when column_name = '{{ column }}' and category is null then {{ parameter }} end) as {{ name }},
        {% endfor -%}
        count(*) as parameter_count
    from cleaning

),

{% if by_category -%}
category_cleaning as (

    select
        {% for column, parameter, name in parameters -%}
        max(case when column_name = '{{ column }}' then {{ parameter }} end) as {{ name }},
        {% endfor -%}
        category
    from cleaning
    where category is not null
    group by category

),

{% endif -%}
limited as (

    select
        {% for column, parameter, name in parameters -%}
        {% if by_category and parameter == 'upper_fence' -%}
        coalesce(category_cleaning.{{ name }}, overall_cleaning.{{ name }}) as {{ name }},
        {% elif by_category and parameter == 'median' -%}
        overall_cleaning.{{ name }},
        coalesce(category_cleaning.{{ name }}, overall_cleaning.{{ name }}) as {{ column }}_group_median,
        {% else -%}
        overall_cleaning.{{ name }},
        {% endif -%}
        {% endfor -%}
        {{ rows }}.*
    from {{ rows }}
    cross join overall_cleaning
    {%- if by_category %}
    left join category_cleaning on {{ rows }}.category = category_cleaning.category
    {%- endif %}

)
{%- endmacro %}


{#- The cleaning version in use: the newest that was fitted under the present rules. -#}
{% macro newest_cleaning() -%}
    select newest.cleaning_version
    from {{ ref('purchasing_power__cleaning') }} as newest
    where newest.cleaning_hash = '{{ purchasing_power.cleaning_hash() }}'
    order by newest.fitted_at desc, newest.fitted_before desc, newest.cleaning_version desc
    limit 1
{%- endmacro %}


{#- Select list over `limited`: each cleaned column within its fence, where capping is its rule, as <column>_capped. -#}
{% macro capped_columns(input_name) %}
    {% set capped = purchasing_power.columns_with_action(input_name, 'cap') %}
    {% set columns = [] %}
    {% for column in purchasing_power.cleaning_rules(input_name) %}
        {% set value = column if column not in capped else (
            'case when ' ~ purchasing_power.is_beyond_fence(column) ~ ' then cast(sign(' ~ column ~ ') * ' ~ column
            ~ '_fence as ' ~ purchasing_power.cleaned_type(input_name, column) ~ ') else ' ~ column ~ ' end'
        ) %}
        {% do columns.append(value ~ ' as ' ~ column ~ '_capped') %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{#- Select list that numbers, for each column filled by `nearest`, the runs of rows after one known value. -#}
{% macro known_values(input_name, order_by) %}
    {% set columns = [] %}
    {#- Own channels too, or rows that differ in nothing else would stand in no order. -#}
    {% set order = order_by.split(', ') %}
    {% for column in purchasing_power.cleaning_rules(input_name) if column not in order %}
        {% do order.append(column) %}
    {% endfor %}
    {% for column, rule in purchasing_power.cleaning_rules(input_name).items() if rule.fill == 'nearest' %}
        {% do columns.append(
            'count(' ~ column ~ '_capped) over (partition by user_id order by ' ~ purchasing_power.nulls_last(order | join(', '))
            ~ ' rows between unbounded preceding and current row) as ' ~ column ~ '_known'
        ) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{#- A capped column with its gaps filled. `nearest` looks backwards only: a later row would be a look-ahead. -#}
{% macro filled(input_name, column) %}
    {%- set fill = purchasing_power.cleaning_rules(input_name)[column].fill -%}
    {%- set capped = column ~ '_capped' -%}
    {%- if fill == 'reject' -%}
        {{ return(capped) }}
    {%- elif fill == 'nearest' -%}
        {%- set fills = ['max(' ~ capped ~ ') over (partition by user_id, ' ~ column ~ '_known)', column ~ '_median', 0] -%}
    {%- elif fill == 'group_median' and not purchasing_power.has_category(input_name) -%}
        {%- set fills = [column ~ '_median', 0] -%}
    {%- elif fill in ('mean', 'median', 'group_median') -%}
        {%- set fills = [column ~ '_' ~ fill, 0] -%}
    {%- else -%}
        {%- set fills = [0 if fill == 'zero' else fill] -%}
    {%- endif -%}
    {{ return(
        'cast(coalesce(' ~ capped ~ ', ' ~ fills | join(', ') ~ ') as '
        ~ purchasing_power.cleaned_type(input_name, column) ~ ')'
    ) }}
{% endmacro %}


{#- The SQL type that a cleaned column keeps. -#}
{% macro cleaned_type(input_name, column) %}
    {{ return(purchasing_power.contract_type(purchasing_power.input_contract()[input_name][column].type)) }}
{% endmacro %}


{#- Condition: any of the columns lies beyond its fence. -#}
{% macro any_beyond_fence(columns) %}
    {% set conditions = [] %}
    {% for column in columns %}
        {% do conditions.append('coalesce(' ~ purchasing_power.is_beyond_fence(column) ~ ', false)') %}
    {% endfor %}
    {{ return(conditions | join(' or ') or '1 = 0') }}
{% endmacro %}


{#- Condition: a column's value lies beyond its fence. -#}
{% macro is_beyond_fence(column) %}
    {{ return('abs(' ~ column ~ ') > ' ~ column ~ '_fence') }}
{% endmacro %}


{#- Whether any column of a relation has this action for its outliers. -#}
{% macro columns_with_action(input_name, action) %}
    {% set columns = [] %}
    {% for column, rule in purchasing_power.cleaning_rules(input_name).items() %}
        {% if rule.outliers.method != 'none' and rule.outliers.action == action %}
            {% do columns.append(column) %}
        {% endif %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{#- Only order lines are compared within their product's category. -#}
{% macro has_category(input_name) %}
    {{ return(input_name == 'order_lines' and purchasing_power.has_input('products', 'category')) }}
{% endmacro %}
