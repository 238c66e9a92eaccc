{#- Verifies the project's own channels; their SQL is checked with the mapping that it reads. -#}
{% macro check_extra_channels() %}
    {% set where = 'purchasing_power__extra_channels' %}
    {% set channels = purchasing_power.setting('extra_channels') %}
    {% set taken = purchasing_power.names_in_features() %}
    {% for channel in channels %}
        {% set place = where ~ '[' ~ loop.index0 ~ ']' %}
        {% for key in channel if key not in ('name', 'input', 'expression', 'aggregate', 'transform', 'fill', 'description') %}
            {{ purchasing_power.refuse_config(
                place, 'has the unknown key ' ~ key ~ ': write name, input, expression and, if need be, aggregate, transform, fill, description.'
            ) }}
        {% endfor %}
        {% if not modules.re.match('^[a-z][a-z0-9_]*$', channel.name) or purchasing_power.is_taken(channel.name, taken) %}
            {{ purchasing_power.refuse_config(
                place ~ '.name', 'is ' ~ tojson(channel.name) ~ ': write a name of small letters, digits and _ that no other channel has.'
            ) }}
        {% elif purchasing_power.expression_problem(channel.name, [channel.name]) %}
            {{ purchasing_power.refuse_config(
                place ~ '.name', 'is ' ~ tojson(channel.name) ~ ', a word of SQL itself: write another name.'
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


{#- Every name in the feature SQL, once for each thing that has it: channels, context and what else stands beside them. -#}
{% macro names_in_features() %}
    {% set names = [
        'user_id', 'activity', 'step_index', 'step_on', 'step_started_at', 'day_of_week', 'category_entropy_bought',
        'on_date', 'is_step', 'order_on', 'order_gap', 'order_gap_square', 'anchor_on', 'first_seen_on', 'is_dated',
        'steps_before', 'split', 'label_spend', 'label_orders', 'label_ends_on', 'line_count', 'row_count',
        'step_digest', 'previous_step_on', 'previous_order_on',
    ] + purchasing_power.activity_columns().keys() | list %}
    {% for entry in purchasing_power.channel_catalogue() + purchasing_power.context_catalogue() %}
        {% do names.append(entry.name) %}
        {% if entry.mean_of %}
            {% do names.append(purchasing_power.step_with(entry.mean_of)) %}
        {% endif %}
    {% endfor %}
    {% for aggregate, column in purchasing_power.running_aggregates() %}
        {% do names.append(aggregate ~ '_' ~ column) %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}


{#- Whether a channel's name, or one that its context has, stands for something else, too. -#}
{% macro is_taken(name, names) %}
    {% for own in [name, name ~ '_7d', name ~ '_28d', name ~ '_91d'] if names | select('equalto', own) | list | length > 1 %}
        {{ return(true) }}
    {% endfor %}
    {{ return(false) }}
{% endmacro %}
