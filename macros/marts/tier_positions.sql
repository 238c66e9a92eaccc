{#- The tiers and their places, 1 the lowest; a query. -#}
{% macro tier_positions() %}
    {%- for name in purchasing_power.setting('tier_names') %}
    select
        cast({{ purchasing_power.text_literal(name) }} as {{ dbt.type_string() }}) as purchasing_power_tier,
        cast({{ loop.index }} as {{ dbt.type_int() }}) as tier_position
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{% endmacro %}


{#- A row's share of a number's sum over all rows; NULL where that is 0. -#}
{% macro share_of_all(expression) %}
    {{- return(
        'cast(' ~ expression ~ ' * 1.0 / nullif(sum(' ~ expression ~ ') over (), 0) as ' ~ purchasing_power.type_double() ~ ')'
    ) -}}
{% endmacro %}
