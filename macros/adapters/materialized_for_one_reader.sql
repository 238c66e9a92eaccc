{#-
    How a query is kept that one reader reads once: as a view. A metastore in Derby, which is what Spark brings along, keeps no
    more than 32,700 characters of a view, and these are longer.
-#}
{% macro materialized_for_one_reader() %}
    {{ return(adapter.dispatch('materialized_for_one_reader', 'purchasing_power')()) }}
{% endmacro %}

{% macro default__materialized_for_one_reader() %}
    {{ return('view') }}
{% endmacro %}

{% macro spark__materialized_for_one_reader() %}
    {{ return('purchasing_power_swapped') }}
{% endmacro %}
