{#-
    The texts that earlier runs read, or none on a first run or a full refresh. review_sentiment is built from what this
    feeds, so it cannot be a ref (a cycle); where it stands is read from the graph.
-#}
{% macro known_review_sentiment() %}
    {%- set known = none -%}
    {%- if execute and not flags.FULL_REFRESH -%}
        {%- set node = graph.nodes['model.purchasing_power.int_purchasing_power__review_sentiment'] -%}
        {%- set known = adapter.get_relation(node.database, node.schema, node.alias) -%}
    {%- endif -%}
    {%- if known is not none %}
    select
        text_md5,
        model_version
    from {{ known }}
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as text_md5,
        cast(null as {{ dbt.type_string() }}) as model_version
    where 1 = 0
    {%- endif %}
{% endmacro %}
