{#- A file or glob of Parquet, CSV or JSON lines as a relation. -#}
{% macro read_file(path) %}
    {{ return(adapter.dispatch('read_file', 'purchasing_power')(path)) }}
{% endmacro %}

{% macro default__read_file(path) %}
    {{ purchasing_power.unsupported('files as input relations (found ' ~ path ~ ')') }}
{% endmacro %}

{% macro duckdb__read_file(path) %}
    {%- set literal = "'" ~ path | replace("'", "''") ~ "'" -%}
    {%- if modules.re.search('\\.parquet$', path) -%}
        {{ return('read_parquet(' ~ literal ~ ')') }}
    {%- elif modules.re.search('\\.(csv|csv\\.gz|tsv)$', path) -%}
        {{ return('read_csv(' ~ literal ~ ')') }}
    {%- elif modules.re.search('\\.(jsonl|ndjson|json)$', path) -%}
        {{ return('read_json(' ~ literal ~ ", format = 'newline_delimited')") }}
    {%- endif -%}
    {{ exceptions.raise_compiler_error(
        'purchasing_power__inputs: the file "' ~ path ~ '" must end in .parquet, .csv, .csv.gz, .tsv, .jsonl, .ndjson or .json.'
    ) }}
{% endmacro %}

{#- Spark's SQL reads what names its own columns. -#}
{% macro spark__read_file(path) %}
    {%- if modules.re.search('\\.parquet$', path) -%}
        {{ return('parquet.`' ~ path ~ '`') }}
    {%- elif modules.re.search('\\.(jsonl|ndjson|json)$', path) -%}
        {{ return('json.`' ~ path ~ '`') }}
    {%- endif -%}
    {{ exceptions.raise_compiler_error(
        'purchasing_power__inputs: on Spark the file "' ~ path ~ '" must end in .parquet, .jsonl, .ndjson or .json: load others into a table first.'
    ) }}
{% endmacro %}
