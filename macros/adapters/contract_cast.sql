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
