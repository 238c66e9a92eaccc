{#- Whether the running command has selected anything of this package; for hooks, which run with every command. -#}
{% macro is_selected() %}
    {{ return(modules.re.search('\\.purchasing_power\\.', selected_resources | join(' ')) is not none) }}
{% endmacro %}
