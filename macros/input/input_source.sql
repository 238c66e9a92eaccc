{#-
    What stands behind `from` for a mapping's `relation`: a ref('model'), a source('name', 'table'), a file or glob
    (left to the engine), or schema.table as written.
-#}
{% macro input_source(relation) %}
    {% set written = relation | trim %}
    {% set call = modules.re.match("^(ref|source)\\(\\s*(.+?)\\s*\\)$", written) %}
    {% if call %}
        {% set arguments = [] %}
        {% for argument in call.group(2).split(',') %}
            {% do arguments.append(argument | trim | replace("'", '') | replace('"', '')) %}
        {% endfor %}
        {{ return((ref(*arguments) if call.group(1) == 'ref' else source(*arguments)) | string) }}
    {% elif purchasing_power.is_file(written) %}
        {{ return(purchasing_power.read_file(written)) }}
    {% endif %}
    {{ return(written) }}
{% endmacro %}


{#- Whether a mapping's `relation` names files: a known suffix, a glob or a slash. -#}
{% macro is_file(relation) %}
    {{ return(modules.re.search("(/|\\*|\\.(parquet|csv|csv\\.gz|tsv|jsonl|ndjson|json)$)", relation) is not none) }}
{% endmacro %}
