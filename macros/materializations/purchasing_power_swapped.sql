{#-
    A table that is written beside the one it replaces and only then takes its name: whatever fails before, the old one
    stays, where Spark's own `table` has dropped it first. With a pre-hook made by cleared(), the rows that stay are
    written with those of this run.
-#}
{% materialization purchasing_power_swapped, adapter='spark' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set next_relation = purchasing_power.next_relation() -%}

    {#- A table of Spark's catalogue is there once it is complete: a run that ended between the two steps below left one. -#}
    {%- if load_relation(this) is none -%}
        {{ purchasing_power.take_over(next_relation, target_relation) }}
    {%- endif -%}
    {%- set existing_relation = load_relation(this) -%}
    {%- set adds = purchasing_power.is_later_run() -%}

    {{ run_hooks(pre_hooks) }}

    {%- do adapter.drop_relation(next_relation) -%}
    {%- call statement('main') -%}
        {{ create_table_as(False, next_relation, purchasing_power.with_kept_rows(sql, existing_relation) if adds else sql) }}
    {%- endcall -%}
    {%- if existing_relation is not none -%}
        {%- do adapter.drop_relation(existing_relation) -%}
    {%- endif -%}
    {%- do adapter.rename_relation(next_relation, target_relation) -%}

    {%- do apply_grants(target_relation, config.get('grants'), should_revoke(existing_relation, full_refresh_mode=True)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{#- The relation that is written beside the one it replaces. -#}
{% macro next_relation() %}
    {{ return(this.incorporate(path={'identifier': this.identifier ~ '__next'}, type='table')) }}
{% endmacro %}


{#- Gives a table that a run left complete the name that it was made for. -#}
{% macro take_over(next_relation, target_relation) %}
    {%- if adapter.get_relation(next_relation.database, next_relation.schema, next_relation.identifier) is not none -%}
        {%- do adapter.rename_relation(next_relation, target_relation) -%}
    {%- endif -%}
{% endmacro %}


{#- A query's rows and those that stay, by name: a column that the table lacks is NULL in its rows, one that went is left out. -#}
{% macro with_kept_rows(query, relation) %}
    {%- set known = adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | list -%}
    {%- set kept, made = [], purchasing_power.select_types(query) -%}
    {%- for name, type in made.items() -%}
        {%- do kept.append(name if name | lower in known else 'cast(null as ' ~ type ~ ') as ' ~ name) -%}
    {%- endfor %}
    select {{ made.keys() | join(', ') }} from ({{ query }}) as made
    union all
    select {{ kept | join(', ') }} from {{ purchasing_power.kept_view() }}
{% endmacro %}
