{#-
    The catalogue of channels: the numbers of a step, in the order in which they stand in the tensor. It drives the SQL
    of the steps, the scaling, the packed sequences, the feature hash and the ONNX metadata. Each entry has
      name, group   what it is called, and the feature group that explanations sum it into
      sql           over the rows of one step (`activity` columns), or, with `level: step`, over the step itself;
                    portable SQL only, so that the feature hash is the same on every engine
      transform     log1p | signed_log1p | identity, applied before standardisation
      requires      what must be mapped for the channel to exist: input relations, or relation.column
      mean_of       for a mean: the channel that is above 0 in the steps that have one (means do not add up over steps)
    An empty step has every measure at 0. Gaps in the inputs were filled by staging, so no channel is ever NULL.
-#}
{% macro channel_catalogue() %}
    {% set entries = [
        {
            'name': 'spend', 'group': 'spend', 'transform': 'signed_log1p', 'requires': ['order_lines'],
            'sql': "coalesce(sum(amount), 0)",
            'description': 'Money paid, less money given back.',
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
            'name': 'units', 'group': 'frequency', 'transform': 'signed_log1p', 'requires': ['order_lines.quantity'],
            'sql': "coalesce(sum(quantity), 0)",
            'description': 'Units bought.',
        },
        {
            'name': 'refunds', 'group': 'refunds', 'transform': 'log1p', 'requires': ['order_lines'],
            'sql': "coalesce(-sum(case when activity = 'refund' then amount end), 0)",
            'description': 'Money given back on returns and cancellations that became known.',
        },
        {
            'name': 'discount', 'group': 'price_level', 'transform': 'signed_log1p', 'requires': ['order_lines.discount_amount'],
            'sql': "coalesce(sum(discount_amount), 0)",
            'description': 'Money taken off the price.',
        },
        {
            'name': 'highest_line_amount', 'group': 'price_level', 'transform': 'log1p', 'requires': ['order_lines'],
            'sql': "coalesce(max(case when activity = 'order_line' then amount end), 0)",
            'description': 'The dearest order line.',
        },
        {
            'name': 'price_level_bought', 'group': 'price_level', 'transform': 'identity', 'requires': ['products.category'],
            'sql': "coalesce(avg(case when activity = 'order_line' then price_level end), 0)", 'mean_of': 'order_lines',
            'description': 'Unit prices paid against the median of their category: mean of the log ratio.',
        },
        {
            'name': 'products_bought', 'group': 'variety', 'transform': 'log1p', 'requires': ['order_lines.product_id'],
            'sql': "count(distinct case when activity = 'order_line' then product_id end)",
            'description': 'Different products bought.',
        },
        {
            'name': 'categories_bought', 'group': 'variety', 'transform': 'log1p', 'requires': ['products.category'],
            'sql': "count(distinct case when activity = 'order_line' then category end)",
            'description': 'Different categories bought.',
        },
        {
            'name': 'category_entropy', 'group': 'variety', 'transform': 'identity', 'requires': ['products.category'],
            'sql': "coalesce(category_entropy_bought, 0)", 'mean_of': 'order_lines', 'level': 'step',
            'description': 'Entropy, in nats, of the categories of the lines bought.',
        },
        {
            'name': 'sessions', 'group': 'browsing', 'transform': 'log1p', 'requires': ['browse_events'],
            'sql': "coalesce(sum(starts_session), 0)",
            'description': 'Sessions begun.',
        },
        {
            'name': 'browse_seconds', 'group': 'browsing', 'transform': 'log1p', 'requires': ['browse_events'],
            'sql': "coalesce(sum(seconds), 0)",
            'description': 'Seconds spent browsing.',
        },
        {
            'name': 'most_events_at_once', 'group': 'browsing', 'transform': 'log1p', 'requires': ['browse_events.event_count'],
            'sql': "coalesce(max(event_count), 0)",
            'description': 'The most events that one row of the browsing log stands for.',
        },
        {
            'name': 'products_browsed', 'group': 'browsing', 'transform': 'log1p', 'requires': ['browse_events.product_id'],
            'sql': "count(distinct case when activity = 'browse_event' then product_id end)",
            'description': 'Different products browsed.',
        },
        {
            'name': 'categories_browsed', 'group': 'variety', 'transform': 'log1p',
            'requires': ['browse_events.product_id', 'products.category'],
            'sql': "count(distinct case when activity = 'browse_event' then category end)",
            'description': 'Different categories browsed.',
        },
        {
            'name': 'price_level_viewed', 'group': 'price_level', 'transform': 'identity',
            'requires': ['browse_events.product_id', 'products.category', 'products.list_price'],
            'sql': "coalesce(avg(case when activity = 'browse_event' then price_level end), 0)", 'mean_of': 'products_browsed',
            'description': 'List prices browsed against the median of their category: mean of the log ratio.',
        },
    ] %}

    {% for event_type in purchasing_power.setting('event_types') %}
        {% do entries.append({
            'name': purchasing_power.event_channel(event_type), 'group': 'browsing', 'transform': 'log1p', 'requires': ['browse_events.event_type'],
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
            'name': 'sentiment', 'group': 'reviews', 'transform': 'identity', 'requires': ['reviews'],
            'sql': "coalesce(sum(sentiment), 0)",
            'description': 'Sum of the sentiment of the reviews, each from -1 to 1.',
        },
        {
            'name': 'days_since_previous_step', 'group': 'recency', 'transform': 'log1p', 'requires': [], 'level': 'step',
            'sql': "days_since_previous_step",
            'description': 'Days since the step before; 0 for the first.',
        },
        {
            'name': 'days_since_previous_order', 'group': 'recency', 'transform': 'log1p', 'requires': ['order_lines'], 'level': 'step',
            'sql': "days_since_previous_order",
            'description': 'Days from the step with an order before to this one; 0 in a step without an order and in the first that has one.',
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
        {
            'name': 'hour_sin', 'group': 'season', 'transform': 'identity', 'requires': [],
            'sql': "avg(cast(sin(extract(hour from occurred_at) * 0.2617993877991494) as decimal(28, 8)))",
            'description': 'Sine of the hour of the day, UTC (2 pi / 24 radians an hour), to eight places: mean of the rows.',
        },
        {
            'name': 'hour_cos', 'group': 'season', 'transform': 'identity', 'requires': [],
            'sql': "avg(cast(cos(extract(hour from occurred_at) * 0.2617993877991494) as decimal(28, 8)))",
            'description': 'Cosine of the hour of the day, to eight places: mean of the rows.',
        },
    ]) %}

    {% for number in purchasing_power.embedding_numbers() %}
        {% do entries.append({
            'name': 'embedding_' ~ number, 'group': 'embedding', 'transform': 'identity', 'requires': ['products.embedding'],
            'sql': 'coalesce(avg(embedding_' ~ number ~ '), 0)', 'mean_of': 'step_index',
            'description': 'Factor ' ~ number ~ ' of the embeddings of the products bought and browsed: mean of the rows.',
        }) %}
    {% endfor %}
    {% for column in purchasing_power.setting('missing_indicators') %}
        {% do entries.append({
            'name': column ~ '_missing', 'group': 'missing', 'transform': 'log1p', 'requires': [],
            'sql': 'count(case when is_' ~ column ~ '_missing then 1 end)',
            'description': 'Rows in which ' ~ column ~ ' was missing; what was given back is not counted.',
        }) %}
    {% endfor %}

    {% for channel in purchasing_power.setting('extra_channels') %}
        {% do entries.append({
            'name': channel.name, 'group': 'extra', 'transform': channel.get('transform', 'identity'),
            'requires': [channel.input],
            'sql': 'coalesce(' ~ channel.get('aggregate', 'sum') ~ '(' ~ purchasing_power.extra_column(channel) ~ '), 0)',
            'mean_of': purchasing_power.count_channel(channel.input) if channel.get('aggregate') in ('avg', 'min', 'max') else none,
            'description': channel.get('description', 'The project\'s own channel ' ~ channel.name ~ '.'),
        }) %}
    {% endfor %}

    {% set mapped, channels = purchasing_power.mapped_names(), [] %}
    {% for entry in entries if entry.requires | reject('in', mapped) | list | length == 0 %}
        {% do channels.append(entry) %}
    {% endfor %}
    {{ return(channels) }}
{% endmacro %}


{#- What is mapped: input relations, and relation.column. Once for a whole catalogue, which is made dozens of times while dbt parses. -#}
{% macro mapped_names() %}
    {% set names = [] %}
    {% for input_name in purchasing_power.input_contract() %}
        {% for entry in purchasing_power.input_mappings(input_name) %}
            {% do names.append(input_name) %}
            {% for column in entry.get('columns', {}) %}
                {% do names.append(input_name ~ '.' ~ column) %}
            {% endfor %}
        {% endfor %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}


{#- The channel that counts the rows of an input relation. -#}
{% macro count_channel(input_name) %}
    {{ return({'order_lines': 'order_lines', 'browse_events': 'browse_events', 'reviews': 'reviews'}[input_name]) }}
{% endmacro %}


{#- The channel of an event type. What is more than Latin letters and digits keeps apart by a hash. -#}
{% macro event_channel(event_type) %}
    {% set written = event_type | lower %}
    {% set slug = modules.re.sub('[^a-z0-9]+', '_', written) %}
    {% set is_plain = modules.re.match('^[a-z0-9_]+$', written) is not none %}
    {{ return('events_' ~ (slug if is_plain else slug.strip('_') ~ '_' ~ local_md5(written)[:6])) }}
{% endmacro %}
