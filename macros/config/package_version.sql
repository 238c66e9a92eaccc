{#- The version in dbt_project.yml, which Jinja cannot read; a test holds the two together. -#}
{% macro package_version() %}
    {{ return('0.2.0') }}
{% endmacro %}
