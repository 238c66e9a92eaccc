{#-
    The columns that each mapped relation has now: a list of input_name, mapping_position, relation, column_name, data_type.
    Known only while tables are built; at any other time the relations are named all the same, as dbt has to know them.
-#}
{% macro mapped_columns() %}
    {% set found = [] %}
    {% for input_name in purchasing_power.input_contract() %}
        {% for entry in purchasing_power.input_mappings(input_name) %}
            {% set position, source = loop.index, purchasing_power.input_source(entry['relation']) %}
            {% if execute and flags.WHICH in ('run', 'build', 'retry') %}
                {% for column_name, data_type in purchasing_power.select_types('select * from ' ~ source).items() %}
                    {% do found.append({
                        'input_name': input_name, 'mapping_position': position, 'relation': entry['relation'] | trim,
                        'column_name': column_name, 'data_type': data_type | string,
                    }) %}
                {% endfor %}
            {% endif %}
        {% endfor %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}
