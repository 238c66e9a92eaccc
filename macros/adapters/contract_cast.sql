{#- Casts to a contract type; what cannot be cast, and what is not finite, becomes NULL. -#}
{% macro contract_cast(expression, contract_type) %}
    {{ return(adapter.dispatch('contract_cast', 'purchasing_power')(expression, contract_type)) }}
{% endmacro %}

{% macro default__contract_cast(expression, contract_type) %}
    {{ purchasing_power.unsupported('cast that yields NULL on bad input') }}
{% endmacro %}

{#- try_cast to timestamp drops a written UTC offset, so times go through timestamptz; blank text is no value. -#}
{% macro duckdb__contract_cast(expression, contract_type) %}
    {%- if contract_type == 'timestamp' -%}
        {{ return('try_cast(' ~ expression ~ " as timestamptz) at time zone 'UTC'") }}
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
