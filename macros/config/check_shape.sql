{#-
    Refuses a structured var of another shape than its own. Called whenever one is read, because models that take it apart are
    rendered while dbt parses, before any hook.
-#}
{% macro check_shape(name, value) %}
    {% set where = 'purchasing_power__' ~ name %}
    {% if name in ('fills', 'outliers') and value is not mapping %}
        {{ purchasing_power.refuse_config(where, 'is ' ~ tojson(value) ~ ': write column: rule, a column a line.') }}
    {% elif name == 'outliers' %}
        {% for column, rule in value.items() if rule is not mapping %}
            {{ purchasing_power.refuse_config(
                where ~ '.' ~ column, 'is ' ~ tojson(rule) ~ ': write {method: iqr, factor: 2, action: cap} or parts of it.'
            ) }}
        {% endfor %}
    {% elif name == 'rating_scale' and (
        value is string or value is not sequence or value | length != 2 or value | reject('number') | list or value[0] >= value[1]
    ) %}
        {{ purchasing_power.refuse_config(where, 'is ' ~ tojson(value) ~ ': write the worst and the best rating, like [1, 5].') }}
    {% elif name == 'audiences' %}
        {{ purchasing_power.check_audience_shapes(value) }}
    {% elif name == 'lifecycle' %}
        {{ purchasing_power.check_lifecycle_shape(value) }}
    {% elif name == 'risk' %}
        {{ purchasing_power.check_risk_shape(value) }}
    {% elif name == 'extra_channels' %}
        {% set is_list = value is not string and value is not mapping and value is sequence %}
        {% for channel in (value if is_list else [none]) %}
            {% if channel is not mapping or channel.name is not string or channel.input is not string or channel.expression is not string %}
                {{ purchasing_power.refuse_config(
                    where, 'is ' ~ tojson(value) ~ ': write a list of {name: …, input: order_lines, browse_events or reviews, expression: SQL}.'
                ) }}
            {% endif %}
        {% endfor %}
    {% endif %}
{% endmacro %}
