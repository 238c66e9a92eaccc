{#- A parameter of the feature that a row of the catalogue names: the one of many columns of moments that bears its name. -#}
{% macro moment(entries, parameter) %}
    case catalogue.feature_name
        {%- for entry in entries %} when '{{ entry.name }}' then moments.{{ entry.name }}_{{ parameter }}{% endfor %}
    end
{%- endmacro %}
