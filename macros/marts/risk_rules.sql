{#- What puts a user on the watchlist, purchasing_power__risk over its defaults. -#}
{% macro risk_rules() %}
    {% set rules = purchasing_power.default_risk() %}
    {% do rules.update(purchasing_power.setting('risk')) %}
    {{ return(rules) }}
{% endmacro %}


{#-
    The defaults:
      window_days      recent days, which are compared with those before
      spend_spike_at, order_burst_at, refunds_at
                       departures from which on a signal is given, in standard deviations of what was to be expected
      fewest_orders    orders in the recent days that make a burst, or in the last horizon that make a refunded share
      top_share        a spike is a spike for the shop too: it lies in this top share of the recent days' largest purchases
-#}
{% macro default_risk() %}
    {{ return({
        'window_days': 7,
        'spend_spike_at': 3.5,
        'order_burst_at': 5,
        'refunds_at': 4,
        'fewest_orders': 3,
        'top_share': 0.1,
    }) }}
{% endmacro %}


{#- Refuses what is no mapping of the known rules to numbers. -#}
{% macro check_risk_shape(given) %}
    {% set known, where = purchasing_power.default_risk(), 'purchasing_power__risk' %}
    {% if given is not mapping %}
        {{ purchasing_power.refuse_config(where, 'is ' ~ tojson(given) ~ ': write a mapping of ' ~ known | join(', ') ~ '.') }}
    {% endif %}
    {% for name, value in given.items() %}
        {% if name not in known %}
            {{ purchasing_power.refuse_config(where, 'has ' ~ tojson(name) ~ ': it knows ' ~ known | join(', ') ~ '.') }}
        {% elif value is not number or value is boolean or value <= 0 %}
            {{ purchasing_power.refuse_config(where ~ '.' ~ name, 'is ' ~ tojson(value) ~ ': write a number above 0.') }}
        {% elif name in ('window_days', 'fewest_orders') and value is not integer %}
            {{ purchasing_power.refuse_config(where ~ '.' ~ name, 'is ' ~ tojson(value) ~ ': write a whole number.') }}
        {% endif %}
    {% endfor %}
{% endmacro %}


{#- Refuses thresholds of the watchlist that cannot be meant. -#}
{% macro check_risk() %}
    {% set rules = purchasing_power.risk_rules() %}
    {{ purchasing_power.check_share('purchasing_power__risk.top_share', rules.top_share) }}
    {% if purchasing_power.setting('step_grain') == 'week' and rules.window_days % 7 != 0 %}
        {{ purchasing_power.refuse_config(
            'purchasing_power__risk.window_days',
            'is ' ~ rules.window_days ~ ': with weekly steps write a multiple of 7, so that no week is cut.'
        ) }}
    {% endif %}
{% endmacro %}


{#- A number in a sentence, with so many places behind the point. -#}
{% macro in_words(expression, places=0) %}
    {{ return('cast(cast(' ~ expression ~ ' as decimal(18, ' ~ places ~ ')) as ' ~ dbt.type_string() ~ ')') }}
{% endmacro %}
