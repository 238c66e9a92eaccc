{#-
    The catalogue of channels: the numbers of a step, in the order in which they stand in the tensor. It drives the SQL
    of the steps, the scaling, the packed sequences, the feature hash and the ONNX metadata. Each entry has
      name, group   what it is called, and the feature group that explanations sum it into
      sql           over the rows of one step (`activity` columns), or, with `level: step`, over the step itself;
                    portable SQL only, so that the feature hash is the same on every engine
      transform     log1p | signed_log1p | identity, applied before standardisation
      requires      input relation, or [relation, column], without which the channel does not exist
    An empty step has every measure at 0, so 0 is the fill of all of them.
-#}
{% macro channel_catalogue() %}
    {% set entries = [
        {
            'name': 'spend', 'group': 'spend', 'transform': 'signed_log1p', 'requires': ['order_lines'],
            'sql': "coalesce(sum(amount), 0)",
            'description': 'Money paid.',
        },
        {
            'name': 'orders', 'group': 'frequency', 'transform': 'log1p', 'requires': ['order_lines'],
            'sql': "count(distinct case when amount > 0 then order_id end)",
            'description': 'Orders with anything paid for; a refund is none.',
        },
        {
            'name': 'order_lines', 'group': 'frequency', 'transform': 'log1p', 'requires': ['order_lines'],
            'sql': "count(case when activity = 'order_line' then 1 end)",
            'description': 'Lines of those orders.',
        },
        {
            'name': 'units', 'group': 'frequency', 'transform': 'signed_log1p', 'requires': ['order_lines', 'quantity'],
            'sql': "coalesce(sum(quantity), 0)",
            'description': 'Units bought.',
        },
        {
            'name': 'discount', 'group': 'price_level', 'transform': 'signed_log1p', 'requires': ['order_lines', 'discount_amount'],
            'sql': "coalesce(sum(discount_amount), 0)",
            'description': 'Money taken off the price.',
        },
        {
            'name': 'highest_line_amount', 'group': 'price_level', 'transform': 'signed_log1p', 'requires': ['order_lines'],
            'sql': "coalesce(max(amount), 0)",
            'description': 'The dearest order line.',
        },
        {
            'name': 'products_bought', 'group': 'variety', 'transform': 'log1p', 'requires': ['order_lines', 'product_id'],
            'sql': "count(distinct case when activity = 'order_line' then product_id end)",
            'description': 'Different products bought.',
        },
        {
            'name': 'categories_bought', 'group': 'variety', 'transform': 'log1p', 'requires': ['products', 'category'],
            'sql': "count(distinct case when activity = 'order_line' then category end)",
            'description': 'Different categories bought.',
        },
        {
            'name': 'browse_seconds', 'group': 'browsing', 'transform': 'log1p', 'requires': ['browse_events', 'duration_seconds'],
            'sql': "coalesce(sum(duration_seconds), 0)",
            'description': 'Seconds spent browsing.',
        },
        {
            'name': 'products_browsed', 'group': 'browsing', 'transform': 'log1p', 'requires': ['browse_events', 'product_id'],
            'sql': "count(distinct case when activity = 'browse_event' then product_id end)",
            'description': 'Different products browsed.',
        },
    ] %}

    {% for event_type in purchasing_power.setting('event_types') %}
        {% do entries.append({
            'name': purchasing_power.event_channel(event_type), 'group': 'browsing', 'transform': 'log1p', 'requires': ['browse_events', 'event_type'],
            'sql': "coalesce(sum(case when event_type = '" ~ event_type | lower | replace("'", "''") ~ "' then event_count else 0 end), 0)",
            'description': 'Browse events of type ' ~ event_type ~ '.',
        }) %}
    {% endfor %}

    {% do entries.extend([
        {
            'name': 'browse_events', 'group': 'browsing', 'transform': 'log1p', 'requires': ['browse_events'],
            'sql': "coalesce(sum(event_count), 0)",
            'description': 'Browse events of any type.',
        },
        {
            'name': 'reviews', 'group': 'reviews', 'transform': 'log1p', 'requires': ['reviews'],
            'sql': "count(case when activity = 'review' then 1 end)",
            'description': 'Reviews written.',
        },
        {
            'name': 'rating_total', 'group': 'reviews', 'transform': 'signed_log1p', 'requires': ['reviews', 'rating'],
            'sql': "coalesce(sum(rating), 0)",
            'description': 'Sum of the ratings given.',
        },
        {
            'name': 'days_since_previous_step', 'group': 'recency', 'transform': 'log1p', 'requires': [], 'level': 'step',
            'sql': "days_since_previous_step",
            'description': 'Days since the step before; 0 for the first.',
        },
        {
            'name': 'weekday_sin', 'group': 'season', 'transform': 'identity', 'requires': [], 'level': 'step',
            'sql': "sin(day_of_week * 0.8975979010256552)",
            'description': 'Sine of the day of the week (2 pi / 7 radians a day, Monday at 0).',
        },
        {
            'name': 'weekday_cos', 'group': 'season', 'transform': 'identity', 'requires': [], 'level': 'step',
            'sql': "cos(day_of_week * 0.8975979010256552)",
            'description': 'Cosine of the day of the week.',
        },
    ]) %}

    {% set channels = [] %}
    {% for entry in entries if purchasing_power.is_available(entry.requires) %}
        {% do channels.append(entry) %}
    {% endfor %}
    {{ return(channels) }}
{% endmacro %}


{#- Whether what an entry of the catalogue requires is mapped: nothing, a relation, or a column of a relation. -#}
{% macro is_available(requires) %}
    {{ return(not requires or purchasing_power.has_input(*requires)) }}
{% endmacro %}


{#- The channel of an event type. What is more than Latin letters and digits keeps apart by a hash. -#}
{% macro event_channel(event_type) %}
    {% set written = event_type | lower %}
    {% set slug = modules.re.sub('[^a-z0-9]+', '_', written) %}
    {% set is_plain = modules.re.match('^[a-z0-9_]+$', written) is not none %}
    {{ return('events_' ~ (slug if is_plain else slug.strip('_') ~ '_' ~ local_md5(written)[:6])) }}
{% endmacro %}
