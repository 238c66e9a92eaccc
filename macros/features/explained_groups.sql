{#-
    The groups that explanations speak of. The catalogues' own are finer: refunds are money given back, the tenure is time
    gone by, an embedding says what somebody likes.
-#}
{% macro explained_group(group) %}
    {{ return({'refunds': 'spend', 'tenure': 'recency', 'embedding': 'variety'}.get(group, group)) }}
{% endmacro %}


{#- How many there are: the number of subsets, and so the time that a user takes, doubles with each. -#}
{% macro explained_group_count() %}
    {% set groups = [] %}
    {% for entry in purchasing_power.channel_catalogue() + purchasing_power.context_features() %}
        {% do groups.append(purchasing_power.explained_group(entry.group)) %}
    {% endfor %}
    {{ return(groups | unique | list | length) }}
{% endmacro %}
