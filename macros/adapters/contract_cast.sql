{#- Casts to a contract type; what cannot be cast, and what is not finite, becomes NULL. -#}
{% macro contract_cast(expression, contract_type) %}
    {{ return(adapter.dispatch('contract_cast', 'purchasing_power')(expression, contract_type)) }}
{% endmacro %}

{% macro default__contract_cast(expression, contract_type) %}
    {{ purchasing_power.unsupported('cast that yields NULL on bad input') }}
{% endmacro %}

{#-
    try_cast to timestamp drops a written UTC offset, so times go through timestamptz, but for those that cannot have one:
    that costs a third as much, and typeof() is settled when the query is planned. Blank text is no value.
-#}
{% macro duckdb__contract_cast(expression, contract_type) %}
    {%- if contract_type == 'timestamp' -%}
        {{ return(
            'case when typeof(' ~ expression ~ ") in ('TIMESTAMP', 'DATE') or (typeof(" ~ expression ~ ") = 'VARCHAR' and cast("
            ~ expression ~ " as varchar) like '____-__-_____:__:__') then try_cast(" ~ expression
            ~ ' as timestamp) else try_cast(' ~ expression ~ " as timestamptz) at time zone 'UTC' end"
        ) }}
    {%- elif contract_type == 'text' -%}
        {{ return("nullif(trim(cast(" ~ expression ~ " as varchar)), '')") }}
    {%- elif contract_type == 'number' -%}
        {{ return('cast(try_cast(' ~ expression ~ ' as decimal(28, 8)) as double)') }}
    {%- elif contract_type == 'embedding' -%}
        {%- set array = 'try_cast(' ~ expression ~ ' as float[])' -%}
        {{ return(
            'case when isfinite(list_sum(' ~ array ~ ')) and list_count(' ~ array ~ ') = len(' ~ array ~ ') then '
            ~ array ~ ' end'
        ) }}
    {%- endif -%}
    {{ return('try_cast(' ~ expression ~ ' as ' ~ purchasing_power.contract_type(contract_type) ~ ')') }}
{% endmacro %}

{#-
    pg_input_is_valid() (PostgreSQL 16 and later) takes text, so a value goes through it. Of times it takes words such as
    'now', too, so they have to begin with a date; what has no offset is UTC, whatever zone the session has.
-#}
{% macro postgres__contract_cast(expression, contract_type) %}
    {%- set text = 'cast(' ~ expression ~ ' as text)' -%}
    {%- if contract_type == 'timestamp' -%}
        {%- set is_date = text ~ " ~ '^\\s*[0-9]{4,6}-[0-9]{1,2}-[0-9]{1,2}'" -%}
        {%- set has_offset = text ~ " ~ ':[0-9.]+ ?([+-][0-9]{1,2}(:?[0-9]{2}){0,2}|(?![AaPp][Mm])[A-Za-z_/]+)\\s*$'" -%}
        {{ return(
            'case when ' ~ is_date ~ " and pg_input_is_valid(" ~ text ~ ", 'timestamptz') then case when " ~ has_offset
            ~ ' then cast(' ~ text ~ " as timestamptz) at time zone 'UTC' else cast(" ~ text ~ ' as timestamp) end end'
        ) }}
    {%- elif contract_type == 'text' -%}
        {{ return('nullif(trim(' ~ text ~ "), '')") }}
    {%- elif contract_type == 'number' -%}
        {{ return('cast(' ~ purchasing_power.postgres_number(text, 'numeric(28, 8)') ~ ' as double precision)') }}
    {%- elif contract_type == 'embedding' -%}
        {%- set array = "translate(" ~ text ~ ", '[] ', '{}')" -%}
        {{ return(
            'case when pg_input_is_valid(' ~ array ~ ", 'real[]') and " ~ array ~ " !~* '(nan|inf|null)' then cast(" ~ array ~ ' as real[]) end'
        ) }}
    {%- elif contract_type == 'integer' -%}
        {{ return('cast(' ~ purchasing_power.postgres_number(text, 'numeric(18, 0)') ~ ' as bigint)') }}
    {%- endif -%}
    {{ return(purchasing_power.postgres_number(text, purchasing_power.contract_type(contract_type))) }}
{% endmacro %}

{#-
    try_cast takes a year, or a time of day, for a timestamp: text has to begin with a date. What has no offset is in the
    session's zone, which is UTC. typeof() is settled when the query is planned.
-#}
{% macro spark__contract_cast(expression, contract_type) %}
    {%- set text = 'cast(' ~ expression ~ ' as string)' -%}
    {%- if contract_type == 'timestamp' -%}
        {{ return(
            'case when typeof(' ~ expression ~ ") in ('timestamp', 'timestamp_ntz', 'date') or " ~ text
            ~ " rlike '^ *[0-9]{4,6}-[0-9]{1,2}-[0-9]{1,2}' then try_cast(" ~ expression ~ ' as timestamp) end'
        ) }}
    {%- elif contract_type == 'text' -%}
        {{ return('nullif(trim(' ~ text ~ "), '')") }}
    {%- elif contract_type == 'number' -%}
        {{ return('cast(try_cast(' ~ expression ~ ' as decimal(28, 8)) as double)') }}
    {%- elif contract_type == 'embedding' -%}
        {%- set array = 'from_json(' ~ text ~ ", 'array<float>')" -%}
        {{ return(
            'case when forall(' ~ array ~ ", number -> coalesce(abs(number) < float('infinity'), false)) then " ~ array ~ ' end'
        ) }}
    {%- elif contract_type == 'integer' -%}
        {{ return('cast(try_cast(' ~ expression ~ ' as decimal(18, 0)) as bigint)') }}
    {%- endif -%}
    {{ return('try_cast(' ~ expression ~ ' as ' ~ purchasing_power.contract_type(contract_type) ~ ')') }}
{% endmacro %}

{#- NaN is a number to PostgreSQL, and hexadecimal ones are. -#}
{% macro postgres_number(text, type) %}
    {{ return(
        'case when ' ~ text ~ " ~ '^\\s*[-+.0-9]' and pg_input_is_valid(" ~ text ~ ", '" ~ type ~ "') then cast(" ~ text ~ ' as ' ~ type ~ ') end'
    ) }}
{% endmacro %}
