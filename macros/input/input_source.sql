{#-
    What stands behind `from` for a mapping's `relation`: a ref('model'), a source('name', 'table'), a file or glob
    (left to the engine), or schema.table as written.
-#}
{% macro input_source(relation) %}
    {%- set written = relation | trim -%}
    {%- if purchasing_power.is_node(written) -%}
        {{ return(purchasing_power.input_node(written) | string) }}
    {%- elif purchasing_power.is_file(written) -%}
        {{ return(purchasing_power.read_file(written)) }}
    {%- endif -%}
    {{ return(written) }}
{% endmacro %}


{#- A mapping's relation under the alias that its expressions may use, and the rows of it that it wants. -#}
{% macro input_rows(entry) %}
    {{ return(
        purchasing_power.input_source(entry['relation']) ~ ' as input'
        ~ (' where ' ~ entry['where'] if entry.get('where') else '')
    ) }}
{% endmacro %}


{#- Whether a mapping's `relation` is a ref(...) or a source(...) of the dbt project. -#}
{% macro is_node(relation) %}
    {{ return(modules.re.match('^(ref|source)\\(', relation) is not none) }}
{% endmacro %}


{#- The dbt relation of a ref(...) or source(...) written as text. -#}
{% macro input_node(relation) %}
    {%- set arguments = modules.re.findall("['\"]([^'\"]+)['\"]", relation) -%}
    {{ return(ref(*arguments) if relation.startswith('ref') else source(*arguments)) }}
{% endmacro %}


{#- Whether a mapping's `relation` names files: a known suffix, a glob or a slash. -#}
{% macro is_file(relation) %}
    {{ return(modules.re.search('(/|\\*|\\.(parquet|csv|csv\\.gz|tsv|jsonl|ndjson|json)$)', relation) is not none) }}
{% endmacro %}
