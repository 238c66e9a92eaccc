{#- A text as a SQL literal. -#}
{% macro text_literal(text) %}
    {{ return(adapter.dispatch('text_literal', 'purchasing_power')(text | string)) }}
{% endmacro %}

{% macro default__text_literal(text) %}
    {{ return("'" ~ text | replace("'", "''") ~ "'") }}
{% endmacro %}

{#- Two quotes in a row are two literals, side by side. -#}
{% macro spark__text_literal(text) %}
    {{ return("'" ~ text | replace('\\', '\\\\') | replace("'", "\\'") ~ "'") }}
{% endmacro %}
