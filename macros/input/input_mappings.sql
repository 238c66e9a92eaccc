{#-
    The mappings of one input relation as a list: empty when it is not mapped, several when it is a union. The project's own
    channels stand among the columns, as expressions over the same relation.
-#}
{% macro input_mappings(input_name) %}
    {% set mapped = purchasing_power.setting('inputs').get(input_name) %}
    {% set own = {} %}
    {% for channel in purchasing_power.setting('extra_channels') if channel.input == input_name %}
        {% do own.update({purchasing_power.extra_column(channel): channel.expression}) %}
    {% endfor %}
    {% set entries = [] %}
    {% for entry in ([] if mapped is none else ([mapped] if mapped is mapping else mapped)) %}
        {% if own and entry is mapping and entry.get('columns') is mapping %}
            {% do entries.append(dict(entry, columns=dict(entry['columns'], **own))) %}
        {% else %}
            {% do entries.append(entry) %}
        {% endif %}
    {% endfor %}
    {{ return(entries) }}
{% endmacro %}
