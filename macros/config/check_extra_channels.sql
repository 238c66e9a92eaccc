{#- Verifies the project's own channels; their SQL is checked with the mapping that it reads. -#}
{% macro check_extra_channels() %}
    {% set where = 'purchasing_power__extra_channels' %}
    {% set channels = purchasing_power.setting('extra_channels') %}
    {% set taken = [] %}
    {% for channel in purchasing_power.channel_catalogue() %}
        {% do taken.append(channel.name) %}
    {% endfor %}
    {% for channel in channels %}
        {% set place = where ~ '[' ~ loop.index0 ~ ']' %}
        {% for key in channel if key not in ('name', 'input', 'expression', 'aggregate', 'transform', 'fill', 'description') %}
            {{ purchasing_power.refuse_config(
                place, 'has the unknown key ' ~ key ~ ': write name, input, expression and, if need be, aggregate, transform, fill, description.'
            ) }}
        {% endfor %}
        {% if not modules.re.match('^[a-z][a-z0-9_]*$', channel.name) or taken | select('equalto', channel.name) | list | length > 1 %}
            {{ purchasing_power.refuse_config(
                place ~ '.name', 'is ' ~ tojson(channel.name) ~ ': write a name of small letters, digits and _ that no other channel has.'
            ) }}
        {% elif channel.input not in ('order_lines', 'browse_events', 'reviews') %}
            {{ purchasing_power.refuse_config(
                place ~ '.input', 'is ' ~ tojson(channel.input) ~ ': write order_lines, browse_events or reviews.'
            ) }}
        {% elif channel.get('aggregate', 'sum') not in ('sum', 'avg', 'min', 'max') %}
            {{ purchasing_power.refuse_config(place ~ '.aggregate', 'is ' ~ tojson(channel.aggregate) ~ ': write sum, avg, min or max.') }}
        {% elif channel.get('transform', 'identity') not in ('identity', 'log1p', 'signed_log1p') %}
            {{ purchasing_power.refuse_config(place ~ '.transform', 'is ' ~ tojson(channel.transform) ~ ': write identity, log1p or signed_log1p.') }}
        {% endif %}
        {{ purchasing_power.check_fill(place ~ '.fill', channel.get('fill', 'zero')) }}
    {% endfor %}
{% endmacro %}
