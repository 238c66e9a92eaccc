{#- Where the stages of a buyer's life end, purchasing_power__lifecycle over its defaults. -#}
{% macro lifecycle_rules() %}
    {% set horizon = purchasing_power.setting('horizon_days') | int %}
    {% set rules = purchasing_power.default_lifecycle() %}
    {% do rules.update(purchasing_power.setting('lifecycle')) %}
    {% if rules.new_for_days is none %}
        {% do rules.update({'new_for_days': horizon}) %}
    {% endif %}
    {{ return(rules) }}
{% endmacro %}


{#-
    The stages' default ends:
      new_for_days                              days after the first order; the horizon when NULL
      rising_above, cooling_below               the last horizon's spend over that of the one before
      lapsing_after_pauses, lost_after_pauses   days without an order over the user's usual ones between two
      lapsing_after_days, lost_after_days       days without an order, however often they come
-#}
{% macro default_lifecycle() %}
    {{ return({
        'new_for_days': none,
        'rising_above': 1.5,
        'cooling_below': 0.67,
        'lapsing_after_pauses': 3,
        'lapsing_after_days': 14,
        'lost_after_pauses': 8,
        'lost_after_days': 28,
    }) }}
{% endmacro %}


{#- Refuses what is no mapping of the known ends to numbers. -#}
{% macro check_lifecycle_shape(given) %}
    {% set known, where = purchasing_power.default_lifecycle(), 'purchasing_power__lifecycle' %}
    {% if given is not mapping %}
        {{ purchasing_power.refuse_config(where, 'is ' ~ tojson(given) ~ ': write a mapping of ' ~ known | join(', ') ~ '.') }}
    {% endif %}
    {% for name, value in given.items() %}
        {% if name not in known %}
            {{ purchasing_power.refuse_config(where, 'has ' ~ tojson(name) ~ ': it knows ' ~ known | join(', ') ~ '.') }}
        {% elif not (value is none and name == 'new_for_days') and (value is not number or value is boolean or value < 0) %}
            {{ purchasing_power.refuse_config(where ~ '.' ~ name, 'is ' ~ tojson(value) ~ ': write a number of at least 0.') }}
        {% endif %}
    {% endfor %}
{% endmacro %}


{#- Refuses ends of stages that lie in the wrong order. -#}
{% macro check_lifecycle() %}
    {% set rules = purchasing_power.lifecycle_rules() %}
    {% for low, high in [
        ('cooling_below', 'rising_above'), ('lapsing_after_pauses', 'lost_after_pauses'), ('lapsing_after_days', 'lost_after_days')
    ] if rules[low] > rules[high] %}
        {{ purchasing_power.refuse_config(
            'purchasing_power__lifecycle',
            'has ' ~ low ~ ' ' ~ rules[low] ~ ' above ' ~ high ~ ' ' ~ rules[high] ~ ': write it at most as large.'
        ) }}
    {% endfor %}
{% endmacro %}
