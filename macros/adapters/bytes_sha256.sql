{#- Hex SHA-256 of two byte columns laid end to end. -#}
{% macro bytes_sha256(first, second) %}
    {{ return(adapter.dispatch('bytes_sha256', 'purchasing_power')(first, second)) }}
{% endmacro %}

{% macro default__bytes_sha256(first, second) %}
    {{ purchasing_power.unsupported('SHA-256 of bytes') }}
{% endmacro %}

{% macro duckdb__bytes_sha256(first, second) %}
    {{ return('sha256(' ~ first ~ ' || ' ~ second ~ ')') }}
{% endmacro %}

{% macro postgres__bytes_sha256(first, second) %}
    {{ return("encode(sha256(" ~ first ~ ' || ' ~ second ~ "), 'hex')") }}
{% endmacro %}

{% macro spark__bytes_sha256(first, second) %}
    {{ return('sha2(concat(' ~ first ~ ', ' ~ second ~ '), 256)') }}
{% endmacro %}
