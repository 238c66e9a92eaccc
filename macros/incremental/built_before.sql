{#-
    The relation that an earlier run left under a model's name, or none on a first run and on a full refresh, unless it
    outlives one. For models that what they read is built from: a ref would be a cycle, so where the relation stands is read
    from the graph.
-#}
{% macro built_before(model_name, outlives_full_refresh=false) %}
    {% if not execute or (flags.FULL_REFRESH and not outlives_full_refresh) %}
        {{ return(none) }}
    {% endif %}
    {% set node = graph.nodes['model.purchasing_power.' ~ model_name] %}
    {{ return(adapter.get_relation(node.database, node.schema, node.alias)) }}
{% endmacro %}
