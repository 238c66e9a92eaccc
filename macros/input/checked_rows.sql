{#-
    The body of a `…_checked` model: every row of an input relation with the reason why it cannot be used, NULL when it
    can. `conditions` are pairs (reason, SQL condition); the first that holds is the row's reason. Of the usable rows
    that share a key one stays, the first in `prefer` (an order by list; what was written decides between the last equals);
    the others are duplicates. The optional key of
    a log counts within one mapping (two tills may number alike), the required key of a reference table everywhere.
    Raw values are kept for refused rows alone.
      rows   the relation to judge, the input itself by default; it has the input's columns and those named in `also`
      joins  what conditions look at beside the row
    Values beyond a fence are refused where purchasing_power__outliers says so. A later run of an incremental model reads the
    rows that may have come to another end, clear_checked_rows() having taken them out before.
-#}
{% macro checked_rows(input_name, conditions, prefer, with_as_of=true, rows=none, joins='', also=[]) %}
{%- set columns = purchasing_power.input_contract()[input_name] -%}
{%- set keys = purchasing_power.input_keys(input_name) -%}
{%- set refused_beyond_fence = purchasing_power.columns_with_action(input_name, 'reject') -%}
with

{# Three read it. All rows of a large log do not fit into memory, those of a day do. -#}
given_rows as {{ '' if purchasing_power.is_later_run() else purchasing_power.hint_for_a_log() }} (

    {{ purchasing_power.touched_rows(input_name, rows or ref('purchasing_power__' ~ input_name)) if purchasing_power.is_later_run()
        else 'select * from ' ~ (rows or ref('purchasing_power__' ~ input_name)) }}

),

{% if refused_beyond_fence -%}
{{ purchasing_power.with_cleaning(input_name, 'given_rows', by_category=purchasing_power.has_category(input_name)) }},

{% endif -%}
input_rows as (

    select * from {{ 'limited' if refused_beyond_fence else 'given_rows' }}

),

{% if with_as_of -%}
as_of as (

    select * from {{ ref('int_purchasing_power__as_of') }}

),

{% endif -%}
judged as {{ purchasing_power.hint_for_a_log() }} (

    select
        input_rows.*,
        case
            {% for reason, condition in conditions -%}
            when {{ condition }} then '{{ reason }}'
            {% endfor -%}
            {% for column in refused_beyond_fence -%}
            when {{ purchasing_power.is_beyond_fence('input_rows.' ~ column) }} then 'outlier_{{ column }}'
            {% endfor -%}
        end as refusal_reason
    from input_rows
    {%- if with_as_of %}
    cross join as_of
    {%- endif %}
    {%- if joins %}
    {{ joins }}
    {%- endif %}

),

{% if purchasing_power.has_input(input_name, keys[0]) -%}
{%- set key_columns = ([] if columns[keys[0]].required else ['mapping_position']) + keys -%}
{%- set key_hash = purchasing_power.row_hash(key_columns) -%}
repeated_keys as (

    -- few rows share a key: they alone have to be ranked, and those whose keys have one hash do no harm among them
    select {{ key_hash }} as key_hash
    from judged
    where
        {{ keys[0] }} is not null
        and refusal_reason is null
    group by {{ key_hash }}
    having count(*) > 1

),

marked as {{ purchasing_power.hint_for_a_log() }} (

    -- a join: not every engine looks up what a select list asks to be in a long list
    select
        judged.*,
        judged.refusal_reason is null
        and judged.{{ keys[0] }} is not null
        and repeated_keys.key_hash is not null as is_repeated
    from judged
    left join repeated_keys on {{ key_hash }} = repeated_keys.key_hash

),

ranked as (

    select
        *,
        1 as rank_within_key
    from marked
    where not is_repeated
    union all
    select
        *,
        row_number() over (partition by {{ key_columns | join(', ') }} order by {{ purchasing_power.nulls_last(prefer) }}, raw_values) as rank_within_key
    from marked
    where is_repeated

),

{% endif -%}
checked as (

    select
        {% for column in columns.keys() | list + also -%}
        {{ column }},
        {% endfor -%}
        mapping_position,
        {% if purchasing_power.has_input(input_name, keys[0]) -%}
        case when rank_within_key > 1 then 'duplicate' else refusal_reason end as rejection_reason,
        case when rank_within_key > 1 or refusal_reason is not null then {{ purchasing_power.raw_json(input_name) }} end as raw_values
    from ranked
        {%- else -%}
        refusal_reason as rejection_reason,
        case when refusal_reason is not null then {{ purchasing_power.raw_json(input_name) }} end as raw_values
    from judged
        {%- endif %}

)

select * from checked
{% endmacro %}


{#- The columns that together identify a row of an input relation. -#}
{% macro input_keys(input_name) %}
    {% set keys = [] %}
    {% for column, spec in purchasing_power.input_contract()[input_name].items() if spec.key %}
        {% do keys.append(column) %}
    {% endfor %}
    {{ return(keys) }}
{% endmacro %}


{#- The refusals that any relation with a user and a time shares. -#}
{% macro activity_conditions(time_column) %}
    {{ return([
        ('missing_user_id', 'input_rows.user_id is null'),
        ('test_user', purchasing_power.is_test_user('input_rows.user_id')),
        ('invalid_' ~ time_column, 'input_rows.' ~ time_column ~ ' is null'),
        ('before_earliest_date', 'input_rows.' ~ time_column ~ " < cast('" ~ purchasing_power.setting('earliest_date') ~ "' as date)"),
        ('after_as_of_date', 'input_rows.' ~ time_column ~ ' >= as_of.as_of_date'),
    ]) }}
{% endmacro %}


{#- Condition: a user of purchasing_power__test_users, or one whose id is like one of purchasing_power__test_user_patterns. -#}
{% macro is_test_user(user_id) %}
    {% set conditions = [] %}
    {% for user in purchasing_power.setting('test_users') %}
        {% do conditions.append(user_id ~ ' = ' ~ purchasing_power.pseudonym(purchasing_power.text_literal(user))) %}
    {% endfor %}
    {% for pattern in purchasing_power.setting('test_user_patterns') %}
        {% do conditions.append('lower(' ~ user_id ~ ') like ' ~ purchasing_power.text_literal(pattern | string | lower)) %}
    {% endfor %}
    {{ return('(' ~ conditions | join(' or ') ~ ')' if conditions else '1 = 0') }}
{% endmacro %}
