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

{#- The left join gives a row of NULLs, which have the types and cost nothing. -#}
{% macro postgres__select_types(query) %}
    {% set names = adapter.get_column_schema_from_query(get_empty_subquery_sql(query)) | map(attribute='name') | list %}
    {% set columns = [] %}
    {% for name in names %}
        {% do columns.append('cast(pg_typeof(described."' ~ name ~ '") as text)') %}
    {% endfor %}
    {% set row = run_query(
        'select ' ~ columns | join(', ') ~ ' from (select 1) as nothing left join (' ~ query ~ ') as described on false limit 1'
    ).rows[0] %}
    {{ return(dict(zip(names, row.values()))) }}
{% endmacro %}

{% macro spark__select_types(query) %}
    {% set types = {} %}
    {% for row in run_query('describe query ' ~ query).rows %}
        {% do types.update({row[0]: row[1]}) %}
    {% endfor %}
    {{ return(types) }}
{% endmacro %}


{#- Whether a type holds 'text', 'a number', 'a time', 'an array of numbers' or 'something else'. -#}
{% macro type_family(type) %}
    {% set name = type | lower %}
    {% if modules.re.match(
        '((float|double( precision)?|real|u?(tiny|small|big|huge)?int(eger)?|(decimal|numeric)(\\(.*\\))?)\\[[0-9]*\\]|(half)?vec(tor)?(\\(.*\\))?|array<(float|double|(tiny|small|big)?int|decimal\\(.*\\))>)$', name
    ) %}
        {{ return('an array of numbers') }}
    {% elif modules.re.match('(varchar|char|text|string|enum|uuid)', name) %}
        {{ return('text') }}
    {% elif modules.re.match('(u?(tiny|small|big|huge)?int(eger)?|u?bigint|float|double( precision)?|real|(decimal|numeric)(\\(.*\\))?)$', name) %}
        {{ return('a number') }}
    {% elif modules.re.match('(date|timestamp)', name) %}
        {{ return('a time') }}
    {% endif %}
    {{ return('something else') }}
{% endmacro %}


{#- What is wrong with an expression over a relation (SQL that may stand behind `from`) with the given columns, or nothing. -#}
{% macro expression_problem(expression, present, source=none) %}
    {{ return(adapter.dispatch('expression_problem', 'purchasing_power')(expression, present, source)) }}
{% endmacro %}

{#- Without a parser of the engine's own only a bare column name can be judged. -#}
{% macro default__expression_problem(expression, present, source) %}
    {% set known = present | map('lower') | list %}
    {% if modules.re.match('^[A-Za-z_][A-Za-z0-9_]*$', expression) and expression | lower not in known + ['null', 'true', 'false'] %}
        {{ return('which names no column of it') }}
    {% endif %}
    {{ return('') }}
{% endmacro %}

{#- DuckDB gives its parse as JSON; a name inside a subquery or a lambda may be
    its own, so those are left alone. -#}
{% macro duckdb__expression_problem(expression, present, source) %}
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

{#- The engine itself says it, inside a block that keeps its error from ending the run. -#}
{% macro postgres__expression_problem(expression, present, source) %}
    {% set columns = [] %}
    {% for name in present %}
        {% do columns.append('cast(null as text) as "' ~ name ~ '"') %}
    {% endfor %}
    {% set relation = source or '(select ' ~ columns | join(', ') ~ ')' %}
    {% set tried = 'select (' ~ expression ~ ') from ' ~ relation ~ ' as input limit 0' %}
    {% set said = run_query(
        "do $purchasing_power$ begin perform set_config('purchasing_power.problem', '', false); execute $tried$" ~ tried
        ~ "$tried$; exception when others then perform set_config('purchasing_power.problem', sqlerrm, false); end $purchasing_power$; "
        ~ "select current_setting('purchasing_power.problem')"
    ).rows[0][0] %}
    {{ return('which the database refuses (' ~ said ~ ')' if said else '') }}
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

{#- A path that matches nothing is said by the engine itself, which has no function that looks. -#}
{% macro spark__file_exists(path) %}
    {{ return(true) }}
{% endmacro %}


{#- The names of the tables and views of a schema; none where there is no such schema. -#}
{% macro table_names(database, schema) %}
    {{ return(adapter.dispatch('table_names', 'purchasing_power')(database, schema)) }}
{% endmacro %}

{% macro default__table_names(database, schema) %}
    {{ return(run_query(
        "select table_name from information_schema.tables where lower(table_catalog) = lower('" ~ database
        ~ "') and lower(table_schema) = lower('" ~ schema ~ "') order by table_name"
    ).columns[0].values()) }}
{% endmacro %}

{% macro spark__table_names(database, schema) %}
    {% set schemas = run_query('show schemas').columns[0].values() | map('lower') | list %}
    {% if schema | lower not in schemas %}
        {{ return([]) }}
    {% endif %}
    {{ return(run_query('show tables in ' ~ schema).columns['tableName'].values()) }}
{% endmacro %}
