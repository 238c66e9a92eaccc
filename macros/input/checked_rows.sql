{#-
    The body of a `…_checked` model: every row of an input relation with the reason why it cannot be used, NULL when it
    can. `conditions` are pairs (reason, SQL condition); the first that holds is the row's reason. Of the usable rows
    that share a key one stays, the first in `prefer` (an order by list); the others are duplicates. The optional key of
    a log counts within one mapping (two tills may number alike), the required key of a reference table everywhere.
    Raw values are kept for refused rows alone.
-#}
{% macro checked_rows(input_name, conditions, prefer, with_as_of=true) %}
{%- set columns = purchasing_power.input_contract()[input_name] -%}
{%- set key = (columns.items() | selectattr('1.key', 'defined') | first)[0] -%}
with

input_rows as (

    select * from {{ ref('purchasing_power__' ~ input_name) }}

),

{% if with_as_of -%}
as_of as (

    select * from {{ ref('int_purchasing_power__as_of') }}

),

{% endif -%}
judged as (

    select
        input_rows.*,
        case
            {% for reason, condition in conditions -%}
            when {{ condition }} then '{{ reason }}'
            {% endfor -%}
        end as refusal_reason
    from input_rows
    {%- if with_as_of %}
    cross join as_of
    {%- endif %}

),

{% if purchasing_power.has_input(input_name, key) -%}
ranked as (

    select
        *,
        case
            when {{ key }} is not null and refusal_reason is null
                then row_number() over (
                    partition by {{ '' if columns[key].required else 'mapping_position, ' }}{{ key }}, refusal_reason
                    order by {{ prefer }}
                )
        end as rank_within_key
    from judged

),

{% endif -%}
checked as (

    select
        {% for column in columns -%}
        {{ column }},
        {% endfor -%}
        mapping_position,
        {% if purchasing_power.has_input(input_name, key) -%}
        case when rank_within_key > 1 then 'duplicate' else refusal_reason end as rejection_reason,
        case when rank_within_key > 1 or refusal_reason is not null then raw_values end as raw_values
    from ranked
        {%- else -%}
        refusal_reason as rejection_reason,
        case when refusal_reason is not null then raw_values end as raw_values
    from judged
        {%- endif %}

)

select * from checked
{% endmacro %}


{#- The refusals that any relation with a user and a time shares. -#}
{% macro activity_conditions(time_column) %}
    {{ return([
        ('missing_user_id', 'input_rows.user_id is null'),
        ('invalid_' ~ time_column, 'input_rows.' ~ time_column ~ ' is null'),
        ('before_earliest_date', 'input_rows.' ~ time_column ~ " < cast('" ~ purchasing_power.setting('earliest_date') ~ "' as date)"),
        ('after_as_of_date', 'input_rows.' ~ time_column ~ ' >= as_of.as_of_date'),
    ]) }}
{% endmacro %}
