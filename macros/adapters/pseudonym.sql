{#-
    An id as the package's tables name it, where purchasing_power__pseudonymise asks for pseudonyms: keyed SHA-256, nested so that a
    digest cannot be continued. NULL where there is no id, or no key. The key is in the engine's session, never in SQL:
    see docs/privacy.md.
-#}
{% macro pseudonym(expression) %}
    {%- if not purchasing_power.setting('pseudonymise') -%}
        {{ return(expression) }}
    {%- endif -%}
    {%- set id = purchasing_power.contract_cast(expression, 'text') -%}
    {{ return(adapter.dispatch('keyed_sha256', 'purchasing_power')(id)) }}
{% endmacro %}


{% macro default__keyed_sha256(id) %}
    {{ purchasing_power.unsupported('pseudonyms of ids by a key that is in no SQL') }}
{% endmacro %}

{% macro duckdb__keyed_sha256(id) %}
    {%- set key = purchasing_power.pseudonym_key() -%}
    {{ return('sha256(' ~ key ~ ' || sha256(' ~ key ~ ' || ' ~ id ~ '))') }}
{% endmacro %}

{% macro postgres__keyed_sha256(id) %}
    {%- set key = purchasing_power.pseudonym_key() -%}
    {%- set inner = "encode(sha256(convert_to(" ~ key ~ ' || ' ~ id ~ ", 'UTF8')), 'hex')" -%}
    {{ return("encode(sha256(convert_to(" ~ key ~ ' || ' ~ inner ~ ", 'UTF8')), 'hex')") }}
{% endmacro %}


{#- Where the engine's session holds the key: NULL where it was given none. -#}
{% macro pseudonym_key() %}
    {{ return(adapter.dispatch('pseudonym_key', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__pseudonym_key() %}
    {{ purchasing_power.unsupported('pseudonyms of ids by a key that is in no SQL') }}
{% endmacro %}

{% macro duckdb__pseudonym_key() %}
    {{ return("cast(getvariable('purchasing_power_pseudonym_key') as varchar)") }}
{% endmacro %}

{% macro postgres__pseudonym_key() %}
    {{ return("nullif(current_setting('purchasing_power.pseudonym_key', true), '')") }}
{% endmacro %}


{#- Refuses a run that is to write pseudonyms and has no key: with none nobody would be anybody. -#}
{% macro check_pseudonyms() %}
    {% if purchasing_power.setting('pseudonymise') %}
        {% if purchasing_power.setting('test_user_patterns') %}
            {{ purchasing_power.refuse_config(
                'purchasing_power__test_user_patterns',
                'names patterns, and purchasing_power__pseudonymise leaves no id that could be like one: leave test users out by `where` in the mapping.'
            ) }}
        {% elif run_query('select ' ~ purchasing_power.pseudonym_key() ~ ' is null as is_missing').rows[0][0] %}
            {{ purchasing_power.refuse_config(
                'purchasing_power__pseudonymise',
                'is true, and this session has no key: set the environment variable PURCHASING_POWER_PSEUDONYM_KEY'
                ~ (', and name the plugin purchasing_power.duckdb_plugin in the profile' if target.type == 'duckdb' else '') ~ ' (docs/privacy.md). Nothing was built.'
            ) }}
        {% endif %}
    {% endif %}
{% endmacro %}
