{#- The logs that are watched: the column of their time, and those whose gaps are counted. -#}
{% macro watched_logs() %}
    {{ return({
        'order_lines': {
            'at': 'ordered_at',
            'columns': ['order_id', 'product_id', 'quantity', 'amount', 'discount_amount', 'currency'],
        },
        'browse_events': {
            'at': 'occurred_at',
            'columns': ['session_id', 'event_type', 'product_id', 'event_count', 'duration_seconds'],
        },
        'reviews': {'at': 'reviewed_at', 'columns': ['product_id', 'rating', 'review_text']},
    }) }}
{% endmacro %}


{#-
    What is measured of a log each day: entries of name, kind (count, share or value) and the columns of
    int_purchasing_power__input_days that are its total, what it is counted among, and the sum of squares.
-#}
{% macro log_measures(log, columns) %}
    {% set measures = [
        {'name': 'rows', 'kind': 'count', 'total': 'log_days.row_count'},
        {'name': 'users', 'kind': 'count', 'total': 'log_days.user_count'},
        {'name': 'rejected rows', 'kind': 'share', 'total': 'log_days.rejected_count', 'base': 'log_days.row_count'},
    ] %}
    {% if log == 'order_lines' %}
        {% if purchasing_power.has_input(log, 'order_id') %}
            {% do measures.append({'name': 'orders', 'kind': 'count', 'total': 'log_days.order_count'}) %}
        {% endif %}
        {% do measures.extend([
            {'name': 'refunds', 'kind': 'share', 'total': 'log_days.refund_count', 'base': 'log_days.row_count'},
            {
                'name': 'line amount', 'kind': 'value', 'total': 'line_days.log_amounts', 'base': 'line_days.line_count',
                'squares': 'line_days.squared_amounts',
            },
            {
                'name': 'price index', 'kind': 'value', 'total': 'price_days.log_ratios', 'base': 'price_days.line_count',
                'squares': 'price_days.squared_ratios',
            },
        ]) %}
    {% elif log == 'browse_events' %}
        {% do measures.extend([
            {'name': 'rows of bots', 'kind': 'count', 'total': 'log_days.bot_count'},
            {'name': 'bots', 'kind': 'share', 'total': 'log_days.bot_count', 'base': 'log_days.row_count'},
        ]) %}
        {% for event_type in purchasing_power.setting('event_types') if purchasing_power.has_input(log, 'event_type') %}
            {% do measures.append({
                'name': event_type ~ ' events', 'kind': 'count', 'total': 'log_days.' ~ purchasing_power.event_channel(event_type),
            }) %}
        {% endfor %}
    {% endif %}
    {% for column in columns if purchasing_power.has_input(log, column) %}
        {% do measures.append({
            'name': 'no ' ~ column, 'kind': 'share', 'total': 'log_days.missing_' ~ column, 'base': 'log_days.row_count',
        }) %}
    {% endfor %}
    {{ return(measures) }}
{% endmacro %}


{#- The total, base or squares of the measure that a row is of; a count of a day without rows is 0. -#}
{% macro of_measure(measures, part) %}
    {%- set cases = [] -%}
    {%- for entry in measures if entry[part] is defined -%}
        {%- set value = 'coalesce(' ~ entry.total ~ ', 0)' if entry.kind == 'count' else entry[part] -%}
        {%- do cases.append('when ' ~ purchasing_power.text_literal(entry.name) ~ ' then ' ~ value) -%}
    {%- endfor -%}
    {{ return('case measures.measure ' ~ cases | join(' ') ~ ' end' if cases else 'null') }}
{% endmacro %}
