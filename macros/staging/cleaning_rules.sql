{#-
    How the numbers of an input relation are cleaned, a column at a time: the defaults below under what the user changed.
      fill      for values that are missing: zero | mean | median | group_median (of the product's category) | nearest (the
                user's latest earlier row that has one) | reject | a number
      outliers  method: iqr | quantile | none; action: cap | reject | flag; factor (times the interquartile range, on the
                log scale) or quantile
    An iqr fence is never below five times the upper quartile of a category, and ten times that of all rows, which stand for
    categories of all kinds: a shop with one price has no outlier at two pieces.
-#}
{% macro cleaning_rules(input_name) %}
    {% set outliers = {'method': 'iqr', 'factor': 2, 'quantile': 0.999, 'action': 'cap'} %}
    {% set defaults = {
        'order_lines': {'amount': 'reject', 'quantity': 1, 'discount_amount': 'zero'},
        'browse_events': {'event_count': 1, 'duration_seconds': 'zero'},
    }.get(input_name, {}) %}
    {% set rules = {} %}
    {% for column, fill in defaults.items() %}
        {% set own = purchasing_power.setting('outliers').get(column, {}) %}
        {% do rules.update({column: {
            'fill': purchasing_power.setting('fills').get(column, fill),
            'outliers': dict(outliers, **own),
        }}) %}
    {% endfor %}
    {% for channel in purchasing_power.setting('extra_channels') if channel.input == input_name %}
        {% do rules.update({purchasing_power.extra_column(channel): {
            'fill': channel.get('fill', 'zero'),
            'outliers': dict(outliers, method='none'),
        }}) %}
    {% endfor %}
    {{ return(rules) }}
{% endmacro %}


{#- What decides the fitted parameters: they are fitted anew when it changes. -#}
{% macro cleaning_hash() %}
    {% set meaning = [purchasing_power.setting('currency')] %}
    {% for input_name in purchasing_power.input_contract() %}
        {% for column, rule in purchasing_power.cleaning_rules(input_name).items() %}
            {% set fence = rule.outliers %}
            {% do meaning.append([input_name, column, fence.method, fence.factor, fence.quantile]) %}
        {% endfor %}
    {% endfor %}
    {% for channel in purchasing_power.setting('extra_channels') %}
        {% do meaning.append([channel.name, channel.expression]) %}
    {% endfor %}
    {{ return(local_md5(tojson(meaning))) }}
{% endmacro %}
