{#- Verifies how the inputs are to be cleaned. -#}
{% macro check_cleaning() %}
    {% set columns = {} %}
    {% for input_name in purchasing_power.input_contract() %}
        {% for column, rule in purchasing_power.cleaning_rules(input_name).items() %}
            {% do columns.update({column: rule}) %}
        {% endfor %}
    {% endfor %}

    {% for name in ('fills', 'outliers', 'missing_indicators') %}
        {% for column in purchasing_power.setting(name) if column not in columns %}
            {{ purchasing_power.refuse_config(
                'purchasing_power__' ~ name, 'names the column ' ~ column ~ ', which is not cleaned: write some of '
                ~ columns.keys() | join(', ') ~ '.'
            ) }}
        {% endfor %}
    {% endfor %}

    {% for column, fill in purchasing_power.setting('fills').items() %}
        {{ purchasing_power.check_fill('purchasing_power__fills.' ~ column, fill, may_reject=column == 'amount') }}
    {% endfor %}
    {% for column, own in purchasing_power.setting('outliers').items() %}
        {{ purchasing_power.check_outlier_rule('purchasing_power__outliers.' ~ column, own) }}
    {% endfor %}
{% endmacro %}


{#- Refuses a rule of purchasing_power__fills that there is not. -#}
{% macro check_fill(where, fill, may_reject=false) %}
    {% set methods = ['zero', 'mean', 'median', 'group_median', 'nearest'] + (['reject'] if may_reject else []) %}
    {% if fill not in methods and (fill is not number or fill is boolean) %}
        {{ purchasing_power.refuse_config(
            where, 'is ' ~ tojson(fill) ~ ': write ' ~ methods | join(', ') ~ ' or a number.'
        ) }}
    {% endif %}
{% endmacro %}


{#- Refuses a rule of purchasing_power__outliers that there is not. -#}
{% macro check_outlier_rule(where, own) %}
    {% for key, value in own.items() %}
        {% set wanted = {
            'method': 'iqr, quantile or none' if value not in ('iqr', 'quantile', 'none') else '',
            'action': 'cap, reject or flag' if value not in ('cap', 'reject', 'flag') else '',
            'factor': 'a number above 0' if value is not number or value <= 0 else '',
            'quantile': 'a share above 0.5 and below 1' if value is not number or value <= 0.5 or value >= 1 else '',
        }.get(key) %}
        {% if wanted is none %}
            {{ purchasing_power.refuse_config(where, 'has the unknown key ' ~ key ~ ': write method, action, factor or quantile.') }}
        {% elif wanted %}
            {{ purchasing_power.refuse_config(where ~ '.' ~ key, 'is ' ~ tojson(value) ~ ': write ' ~ wanted ~ '.') }}
        {% endif %}
    {% endfor %}
{% endmacro %}
