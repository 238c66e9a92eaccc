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
    {% set channels = purchasing_power.channel_catalogue() %}
    {% set has = channels | map(attribute='name') | list %}
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

    {#- What a user looks at, says, and how they buy: sums of what adds up, means over the steps that have it of what does not. -#}
    {% set summed_groups = ('browsing', 'reviews', 'price_level', 'variety', 'refunds', 'missing', 'embedding', 'extra') %}
    {% for channel in channels if channel.group in summed_groups and channel.name not in ('highest_line_amount', 'most_events_at_once') %}
        {% for days in [7, 28, 91] if not (channel.mean_of and days == 7) %}
            {% set words = channel.description[:-1] ~ ', last ' ~ days ~ ' days' %}
            {% if channel.mean_of %}
                {% do entries.append({
                    'name': channel.name ~ '_' ~ days ~ 'd', 'group': channel.group, 'transform': channel.transform,
                    'sql': 'coalesce(sum(' ~ channel.name ~ ') / nullif(count(' ~ purchasing_power.step_with(channel.mean_of) ~ '), 0), 0)',
                    'window': [days, 0], 'description': words ~ (', mean of the steps.' if channel.mean_of == 'step_index' else ', mean of the steps that have one.'),
                }) %}
            {% else %}
                {% do entries.append({
                    'name': channel.name ~ '_' ~ days ~ 'd', 'group': channel.group, 'transform': channel.transform,
                    'sql': 'coalesce(sum(' ~ channel.name ~ '), 0)', 'window': [days, 0], 'description': words ~ ', summed.',
                }) %}
            {% endif %}
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

    {#- How regularly: the spread of the gaps between orders against their mean; 1 is a coin toss a day, 0 a clock. -#}
    {% do entries.extend([
        {
            'name': 'order_gaps', 'helper': true,
            'sql': 'count(order_gap)', 'window': [none, 0],
            'description': 'Gaps between steps with an order.',
        },
        {
            'name': 'order_gap_total', 'helper': true,
            'sql': 'sum(order_gap)', 'window': [none, 0],
            'description': 'Sum of those gaps, in days.',
        },
        {
            'name': 'order_gap_square_total', 'helper': true,
            'sql': 'sum(order_gap_square)', 'window': [none, 0],
            'description': 'Sum of their squares.',
        },
        {
            'name': 'order_gap_variation', 'group': 'recency', 'transform': 'log1p',
            'sql': 'case when order_gaps >= 2 then sqrt(greatest(1.0 * order_gap_square_total / order_gaps - (1.0 * order_gap_total / order_gaps) * (1.0 * order_gap_total / order_gaps), 0)) / (1.0 * order_gap_total / order_gaps) else 1 end',
            'description': 'Coefficient of variation of the days between steps with an order, gaps of 0 days left out; 1 where there are not two gaps.',
        },
        {
            'name': 'overdue', 'group': 'recency', 'transform': 'log1p',
            'sql': 'case when orders_total > 1 then days_between(last_order_on, anchor_on) / greatest(days_between(first_order_on, last_order_on) / (orders_total - 1.0), 1) else 1 end',
            'description': 'Days since the newest order, in units of the mean days between orders, which count as 1 at least; 1 where there are not two.',
        },
        {
            'name': 'spend_trend', 'group': 'spend', 'transform': 'identity',
            'sql': 'ln(1 + greatest(spend_' ~ horizon ~ 'd, 0)) - ln(1 + greatest(spend_before_last_' ~ horizon ~ 'd, 0))',
            'description': 'Log ratio of the spend of the last horizon to that of the one before.',
        },
        {
            'name': 'lines_365d', 'helper': true,
            'sql': 'coalesce(sum(order_lines), 0)', 'window': [365, 0],
            'description': 'Order lines, last 365 days.',
        },
        {
            'name': 'lines_per_order', 'group': 'frequency', 'transform': 'log1p',
            'sql': 'coalesce(1.0 * lines_365d / nullif(orders_365d, 0), 0)',
            'description': 'Basket size: lines an order, last 365 days.',
        },
        {
            'name': 'refunds_365d', 'helper': true,
            'sql': 'coalesce(sum(refunds), 0)', 'window': [365, 0],
            'description': 'Money given back, last 365 days.',
        },
        {
            'name': 'refund_rate', 'group': 'refunds', 'transform': 'identity',
            'sql': 'coalesce(refunds_365d / nullif(greatest(spend_365d + refunds_365d, refunds_365d), 0), 0)',
            'description': 'Share of the money paid in the last 365 days that was given back.',
        },
    ]) %}
    {% if 'discount' in has %}
        {% do entries.append({
            'name': 'discount_share', 'group': 'price_level', 'transform': 'identity',
            'sql': 'coalesce(greatest(discount_91d, 0) / nullif(greatest(discount_91d, 0) + greatest(spend_91d, 0), 0), 0)',
            'description': 'Share of the price that discounts took off, last 91 days.',
        }) %}
    {% endif %}
    {% for event_type in ('cart', 'view') if purchasing_power.event_channel(event_type) in has %}
        {% do entries.append({
            'name': event_type ~ '_to_order_rate', 'group': 'browsing', 'transform': 'log1p',
            'sql': 'coalesce(1.0 * orders_91d / nullif(' ~ purchasing_power.event_channel(event_type) ~ '_91d, 0), 0)',
            'description': 'Orders for each ' ~ event_type ~ ' event, last 91 days.',
        }) %}
    {% endfor %}
    {% if 'sessions' in has %}
        {% do entries.extend([
            {
                'name': 'seconds_per_session', 'group': 'browsing', 'transform': 'log1p',
                'sql': 'coalesce(browse_seconds_91d / nullif(sessions_91d, 0), 0)',
                'description': 'Session length: seconds a session, last 91 days.',
            },
            {
                'name': 'events_per_session', 'group': 'browsing', 'transform': 'log1p',
                'sql': 'coalesce(1.0 * browse_events_91d / nullif(sessions_91d, 0), 0)',
                'description': 'Events a session, last 91 days.',
            },
        ]) %}
    {% endif %}
    {% if 'most_events_at_once' in has %}
        {% do entries.append({
            'name': 'most_events_at_once_91d', 'group': 'browsing', 'transform': 'log1p',
            'sql': 'coalesce(max(most_events_at_once), 0)', 'window': [91, 0],
            'description': 'The most events that one row of the browsing log stands for, last 91 days.',
        }) %}
    {% endif %}
    {% if purchasing_power.setting('seasonal_features') %}
        {% for wave in ('sin', 'cos') %}
            {% do entries.append({
                'name': 'season_' ~ wave, 'group': 'season', 'transform': 'identity',
                'sql': wave ~ '(extract(doy from anchor_on) * 0.017202423838958483)',
                'description': {'sin': 'Sine', 'cos': 'Cosine'}[wave] ~ ' of the day of the year (2 pi / 365.25 radians a day).',
            }) %}
        {% endfor %}
    {% endif %}
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
