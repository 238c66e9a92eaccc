{#- Column name -> type of what a query would return, without running it. -#}
{% macro select_types(query) %}
    {{ return(adapter.dispatch('select_types', 'purchasing_power')(query)) }}
{% endmacro %}

{% macro default__select_types(query) %}
    {{ purchasing_power.unsupported('description of a query') }}
{% endmacro %}

{% macro duckdb__select_types(query) %}
    {% set types = {} %}
    {% for row in run_query('describe ' ~ query).rows %}
        {% do types.update({row[0]: row[1]}) %}
    {% endfor %}
    {{ return(types) }}
{% endmacro %}


{#- Whether a type holds 'text', 'a number', 'a time', 'an array of numbers' or 'something else'. -#}
{% macro type_family(type) %}
    {% set name = type | lower %}
    {% if modules.re.match('(float|double|real|u?(tiny|small|big|huge)?int(eger)?|(decimal|numeric)\\(.*\\))\\[[0-9]*\\]$', name) %}
        {{ return('an array of numbers') }}
    {% elif modules.re.match('(varchar|char|text|string|enum)', name) %}
        {{ return('text') }}
    {% elif modules.re.match('(u?(tiny|small|big|huge)?int(eger)?|u?bigint|float|double|real|(decimal|numeric)(\\(.*\\))?)$', name) %}
        {{ return('a number') }}
    {% elif modules.re.match('(date|timestamp)', name) %}
        {{ return('a time') }}
    {% endif %}
    {{ return('something else') }}
{% endmacro %}


{#- What is wrong with an expression over a relation with the given columns, or nothing. -#}
{% macro expression_problem(expression, present) %}
    {{ return(adapter.dispatch('expression_problem', 'purchasing_power')(expression, present)) }}
{% endmacro %}

{#- Without a parser of the engine's own only a bare column name can be judged. -#}
{% macro default__expression_problem(expression, present) %}
    {% set known = present | map('lower') | list %}
    {% if modules.re.match('^[A-Za-z_][A-Za-z0-9_]*$', expression) and expression | lower not in known + ['null', 'true', 'false'] %}
        {{ return('which names no column of it') }}
    {% endif %}
    {{ return('') }}
{% endmacro %}

{#- DuckDB gives its parse as JSON; a name inside a subquery or a lambda may be
    its own, so those are left alone. -#}
{% macro duckdb__expression_problem(expression, present) %}
    {% set literal = "'select (" ~ expression | replace("'", "''") ~ ")'" %}
    {% set row = run_query(
        "select cast(tree as varchar), cast(to_json(json_extract(tree, '$..column_names')) as varchar)"
        ~ ' from (select json_serialize_sql(' ~ literal ~ ') as tree) as parsed'
    ).rows[0] %}
    {% set tree = fromjson(row[0]) %}
    {% if tree.error %}
        {{ return('which is not a SQL expression (' ~ tree.error_message ~ ')') }}
    {% elif '"class":"SUBQUERY"' in row[0] or '"class":"LAMBDA"' in row[0] %}
        {{ return('') }}
    {% endif %}
    {% set known = present | map('lower') | list + ['current_date', 'current_timestamp', 'localtimestamp'] %}
    {% for path in fromjson(row[1]) %}
        {% if not (path[0] | lower in known or (path | length > 1 and path[1] | lower in known)) %}
            {{ return('which reads the column ' ~ path | join('.') ~ ' that is not there') }}
        {% endif %}
    {% endfor %}
    {{ return('') }}
{% endmacro %}


{#- Whether a path or glob matches a file. -#}
{% macro file_exists(path) %}
    {{ return(adapter.dispatch('file_exists', 'purchasing_power')(path)) }}
{% endmacro %}

{% macro default__file_exists(path) %}
    {{ purchasing_power.unsupported('files as input relations (found ' ~ path ~ ')') }}
{% endmacro %}

{% macro duckdb__file_exists(path) %}
    {{ return(run_query("select 1 from glob('" ~ path | replace("'", "''") ~ "') limit 1").rows | length > 0) }}
{% endmacro %}
