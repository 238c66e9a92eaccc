{#-
    The catalogue of context: what is known about a user at an anchor, in the order in which it stands in the head's
    input. Each entry has
      name, group, transform, description   as in the catalogue of channels
      sql      with `window`: an aggregate over the user's steps inside it; without: an expression over windowed entries,
               `anchor_on` and `first_seen_on`, in which days_between(earlier, later) is rendered for the engine
      window   [from, to): days before the anchor, counted back; `none` for `from` is the whole past
      helper   true for an aggregate that later entries use and the model does not see
    No window reaches the anchor's own day: there is no way to write a look-ahead.
-#}
{% macro context_catalogue() %}
    {% set horizon = purchasing_power.setting('horizon_days') | int %}
    {% set entries = [] %}

    {% set measures = [
        {'name': 'spend', 'sum': 'sum(spend)', 'group': 'spend', 'transform': 'signed_log1p', 'says': 'Spend'},
        {'name': 'orders', 'sum': 'sum(orders)', 'group': 'frequency', 'transform': 'log1p', 'says': 'Orders'},
        {'name': 'active_steps', 'sum': 'sum(is_step)', 'group': 'frequency', 'transform': 'log1p', 'says': 'Steps'},
    ] %}

    {#- Recent windows: sums. -#}
    {% set spans = {} %}
    {% for days in [7, 28, horizon, 91] | unique | sort %}
        {% do spans.update({days ~ 'd': [days, 0]}) %}
    {% endfor %}
    {% do spans.update({'before_last_' ~ horizon ~ 'd': [2 * horizon, horizon]}) %}
    {% for label, window in spans.items() %}
        {% for measure in measures %}
            {% do entries.append({
                'name': measure.name ~ '_' ~ label, 'group': measure.group, 'transform': measure.transform,
                'sql': 'coalesce(' ~ measure.sum ~ ', 0)', 'window': window,
                'description': measure.says ~ ', ' ~ purchasing_power.window_in_words(window) ~ '.',
            }) %}
        {% endfor %}
    {% endfor %}

    {#-
        Long windows: rates. A sum over all of a user's past grows with the log's age, so it would mean something else at
        every anchor; a rate does not. Fewer than 28 days of tenure count as 28, or one order would be a torrent.
    -#}
    {% for label, days in {'365d': 365, 'total': none}.items() %}
        {% set tenure = 'greatest(days_between(first_seen_on, anchor_on), 28)' %}
        {% for measure in measures %}
            {% do entries.append({
                'name': measure.name ~ '_' ~ label, 'helper': true,
                'sql': 'coalesce(' ~ measure.sum ~ ', 0)', 'window': [days, 0],
                'description': measure.says ~ ', ' ~ purchasing_power.window_in_words([days, 0]) ~ '.',
            }) %}
            {% do entries.append({
                'name': measure.name ~ '_rate_' ~ label, 'group': measure.group, 'transform': measure.transform,
                'sql': '28.0 * ' ~ measure.name ~ '_' ~ label ~ ' / ' ~ (tenure if days is none else 'least(' ~ tenure ~ ', 365)'),
                'description': measure.says ~ ' per 28 days since first seen' ~ ('' if days is none else ', at most 365 days back') ~ '.',
            }) %}
        {% endfor %}
    {% endfor %}

    {% for channel in purchasing_power.channel_catalogue() if channel.group in ('browsing', 'reviews', 'price_level', 'variety') and channel.name != 'highest_line_amount' %}
        {% for days in [28, 91] %}
            {% do entries.append({
                'name': channel.name ~ '_' ~ days ~ 'd', 'group': channel.group, 'transform': channel.transform,
                'sql': 'coalesce(sum(' ~ channel.name ~ '), 0)', 'window': [days, 0],
                'description': channel.description[:-1] ~ ', summed over the steps of the last ' ~ days ~ ' days.',
            }) %}
        {% endfor %}
    {% endfor %}

    {% do entries.extend([
        {
            'name': 'highest_step_spend', 'group': 'spend', 'transform': 'signed_log1p',
            'sql': 'coalesce(max(spend), 0)', 'window': [365, 0],
            'description': 'The highest spend of one step in the last 365 days.',
        },
        {
            'name': 'last_order_on', 'helper': true,
            'sql': 'max(order_on)', 'window': [none, 0],
            'description': 'Date of the newest step with an order.',
        },
        {
            'name': 'first_order_on', 'helper': true,
            'sql': 'min(order_on)', 'window': [none, 0],
            'description': 'Date of the first step with an order.',
        },
        {
            'name': 'last_step_on', 'helper': true,
            'sql': 'max(step_on)', 'window': [none, 0],
            'description': 'Date of the newest step.',
        },
        {
            'name': 'tenure_days', 'group': 'tenure', 'transform': 'log1p',
            'sql': 'days_between(first_seen_on, anchor_on)',
            'description': 'Days since the user was first seen or signed up.',
        },
        {
            'name': 'days_since_last_step', 'group': 'recency', 'transform': 'log1p',
            'sql': 'coalesce(days_between(last_step_on, anchor_on), days_between(first_seen_on, anchor_on) + 1)',
            'description': 'Days since the newest step; a day more than the tenure where there is none.',
        },
        {
            'name': 'days_since_last_order', 'group': 'recency', 'transform': 'log1p',
            'sql': 'coalesce(days_between(last_order_on, anchor_on), days_between(first_seen_on, anchor_on) + 1)',
            'description': 'Days since the newest order; a day more than the tenure where there is none.',
        },
        {
            'name': 'days_per_order', 'group': 'recency', 'transform': 'log1p',
            'sql': 'coalesce(days_between(first_order_on, last_order_on) / nullif(orders_total - 1.0, 0), days_between(first_seen_on, anchor_on) + 1)',
            'description': 'Mean days between orders; a day more than the tenure where there are not two.',
        },
        {
            'name': 'spend_per_order', 'group': 'spend', 'transform': 'signed_log1p',
            'sql': 'coalesce(spend_365d / nullif(orders_365d, 0), 0)',
            'description': 'Average order value of the last 365 days.',
        },
    ]) %}
    {{ return(entries) }}
{% endmacro %}


{#- A context window in words, for descriptions. -#}
{% macro window_in_words(window) %}
    {%- if window[0] is none -%}
        {{ return('all time') }}
    {%- elif window[1] == 0 -%}
        {{ return('last ' ~ window[0] ~ ' days') }}
    {%- endif -%}
    {{ return(window[0] ~ ' to ' ~ window[1] ~ ' days ago') }}
{% endmacro %}


{#- The entries that the model sees: the catalogue without its helpers. -#}
{% macro context_features() %}
    {{ return(purchasing_power.context_catalogue() | rejectattr('helper', 'defined') | list) }}
{% endmacro %}
