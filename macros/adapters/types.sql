{#- The SQL type of a contract type. Money is exact, so that sums do not depend on the order of rows. -#}
{% macro contract_type(contract_type) %}
    {{ return({
        'text': dbt.type_string(),
        'integer': dbt.type_bigint(),
        'money': purchasing_power.type_money(),
        'number': purchasing_power.type_double(),
        'timestamp': dbt.type_timestamp(),
        'embedding': purchasing_power.type_float_array(),
    }[contract_type]) }}
{% endmacro %}


{#- The SQL type of money: exact, with four places. -#}
{% macro type_money() %}
    {{ return('decimal(18, 4)') }}
{% endmacro %}


{#- A fraction whose sums are exact. -#}
{% macro type_fraction() %}
    {{ return('decimal(28, 8)') }}
{% endmacro %}


{#- The SQL type of a 64-bit float. -#}
{% macro type_double() %}
    {{ return(adapter.dispatch('type_double', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__type_double() %}
    {{ return('double') }}
{% endmacro %}

{% macro postgres__type_double() %}
    {{ return('double precision') }}
{% endmacro %}


{#- A variable-length array of 32-bit floats. -#}
{% macro type_float_array() %}
    {{ return(adapter.dispatch('type_float_array', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__type_float_array() %}
    {{ purchasing_power.unsupported('arrays of floats') }}
{% endmacro %}

{% macro duckdb__type_float_array() %}
    {{ return('float[]') }}
{% endmacro %}

{% macro postgres__type_float_array() %}
    {{ return('real[]') }}
{% endmacro %}

{% macro spark__type_float_array() %}
    {{ return('array<float>') }}
{% endmacro %}


{#- The SQL type of an array of texts. -#}
{% macro type_text_array() %}
    {{ return(adapter.dispatch('type_text_array', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__type_text_array() %}
    {{ purchasing_power.unsupported('arrays of texts') }}
{% endmacro %}

{% macro duckdb__type_text_array() %}
    {{ return('varchar[]') }}
{% endmacro %}

{#- dbt's unit tests cannot make up a value of an array's type. -#}
{% macro postgres__type_text_array() %}
    {{ return('jsonb') }}
{% endmacro %}

{% macro spark__type_text_array() %}
    {{ return('array<string>') }}
{% endmacro %}


{#- The SQL type of raw bytes. -#}
{% macro type_bytes() %}
    {{ return(adapter.dispatch('type_bytes', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__type_bytes() %}
    {{ purchasing_power.unsupported('byte columns') }}
{% endmacro %}

{% macro duckdb__type_bytes() %}
    {{ return('blob') }}
{% endmacro %}

{% macro postgres__type_bytes() %}
    {{ return('bytea') }}
{% endmacro %}

{% macro spark__type_bytes() %}
    {{ return('binary') }}
{% endmacro %}


{#- The type of row_hash() and row_digest(). -#}
{% macro type_hash() %}
    {{ return(adapter.dispatch('type_hash', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__type_hash() %}
    {{ return(dbt.type_bigint()) }}
{% endmacro %}

{% macro spark__type_hash() %}
    {{ return('decimal(20, 0)') }}
{% endmacro %}
