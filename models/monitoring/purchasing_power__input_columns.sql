{#-
    Append-only: a row a column of a mapped relation when it is first seen, and another each time that it goes, comes back or changes
    its type.
-#}
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='append_new_columns') }}

{%- set mapped = purchasing_power.mapped_columns() -%}
{%- set text = dbt.type_string() -%}
{%- set keys = ['input_name', 'mapping_position', 'relation', 'column_name'] -%}
with

present as (

    {% for entry in mapped -%}
    select
        cast('{{ entry.input_name }}' as {{ text }}) as input_name,
        cast({{ entry.mapping_position }} as integer) as mapping_position,
        cast({{ purchasing_power.text_literal(entry.relation) }} as {{ text }}) as relation,
        cast({{ purchasing_power.text_literal(entry.column_name) }} as {{ text }}) as column_name,
        cast({{ purchasing_power.text_literal(entry.data_type) }} as {{ text }}) as data_type
    {% if not loop.last -%}
    union all
    {% endif -%}
    {% endfor -%}
    {% if not mapped -%}
    select
        cast(null as {{ text }}) as input_name,
        cast(null as integer) as mapping_position,
        cast(null as {{ text }}) as relation,
        cast(null as {{ text }}) as column_name,
        cast(null as {{ text }}) as data_type
    where 1 = 0
    {%- endif %}

),

recorded as (

    {% if is_incremental() -%}
    select
        *,
        row_number() over (partition by {{ keys | join(', ') }} order by seen_at desc) as newest_first
    from {{ this }}
    {%- else -%}
    select
        present.*,
        cast(null as {{ text }}) as change_kind,
        1 as newest_first
    from present
    where 1 = 0
    {%- endif %}

),

present_relations as (

    -- a relation that is mapped no longer has not changed
    select distinct
        input_name,
        mapping_position,
        relation
    from present

),

known as (

    select recorded.*
    from recorded
    inner join present_relations
        on
            recorded.input_name = present_relations.input_name
            and recorded.mapping_position = present_relations.mapping_position
            and recorded.relation = present_relations.relation
    where recorded.newest_first = 1

),

known_relations as (

    select distinct
        input_name,
        mapping_position,
        relation
    from known

),

compared as (

    select
        {% for key in keys -%}
        coalesce(present.{{ key }}, known.{{ key }}) as {{ key }},
        {% endfor -%}
        coalesce(present.data_type, known.data_type) as data_type,
        case when known.change_kind != 'removed' then known.data_type end as previous_type,
        case
            when present.column_name is null then 'removed'
            when known.column_name is null and known_relations.relation is null then 'first seen'
            when known.column_name is null or known.change_kind = 'removed' then 'added'
            else 'type changed'
        end as change_kind
    from present
    full outer join known
        on
            present.input_name = known.input_name
            and present.mapping_position = known.mapping_position
            and present.relation = known.relation
            and present.column_name = known.column_name
    left join known_relations
        on
            present.input_name = known_relations.input_name
            and present.mapping_position = known_relations.mapping_position
            and present.relation = known_relations.relation
    where
        (present.column_name is null and known.change_kind != 'removed')
        or known.column_name is null
        or (known.change_kind = 'removed' and present.column_name is not null)
        or present.data_type != known.data_type

),

input_columns as (

    select

        ----------  ids
        input_name,
        mapping_position,
        relation,
        column_name,

        ----------  text
        change_kind,
        data_type,
        previous_type,

        ----------  timestamps
        cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}' as {{ dbt.type_timestamp() }}) as seen_at

    from compared

)

select * from input_columns
