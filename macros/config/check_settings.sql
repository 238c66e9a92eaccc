{#- Verifies every var but the mapping. -#}
{% macro check_settings() %}
    {% for name, lowest in [
        ('horizon_days', 1), ('anchor_every_days', 1), ('anchor_limit', 1), ('anchor_min_history_days', 0),
        ('session_gap_minutes', 1), ('bot_events_per_day', 1), ('embedding_channels', 1), ('training_users', 1),
        ('explained_users', 0), ('price_bands', 2), ('recommended_categories', 1), ('recommended_products', 1),
        ('smallest_group', 1), ('retention_days', 1)
    ] %}
        {% set value = purchasing_power.setting(name) %}
        {% if not (value is none and name in ('anchor_min_history_days', 'bot_events_per_day', 'training_users', 'explained_users', 'retention_days')) and (value is not integer or value < lowest) %}
            {{ purchasing_power.refuse_config(
                'purchasing_power__' ~ name, 'is ' ~ tojson(value) ~ ': write a whole number of at least ' ~ lowest ~ '.'
            ) }}
        {% endif %}
    {% endfor %}

    {% set grain = purchasing_power.setting('step_grain') %}
    {% if grain not in ('day', 'week', 'event') %}
        {{ purchasing_power.refuse_config(
            'purchasing_power__step_grain', 'is ' ~ tojson(grain) ~ ': write day, week or event.'
        ) }}
    {% endif %}
    {% for name in ('horizon_days', 'anchor_every_days') if grain == 'week' and purchasing_power.setting(name) % 7 != 0 %}
        {{ purchasing_power.refuse_config(
            'purchasing_power__' ~ name,
            'is ' ~ purchasing_power.setting(name) ~ ': with weekly steps write a multiple of 7, so that no week is cut.'
        ) }}
    {% endfor %}

    {% set share = purchasing_power.setting('validation_share') %}
    {% if share is not number or share <= 0 or share > 0.5 %}
        {{ purchasing_power.refuse_config(
            'purchasing_power__validation_share',
            'is ' ~ tojson(share) ~ ': write a share of users above 0 and at most 0.5.'
        ) }}
    {% endif %}

    {% for name, fewest in [
        ('tier_names', 2), ('event_types', 0), ('test_users', 0), ('test_user_patterns', 0), ('missing_indicators', 0)
    ] %}
        {% set names = purchasing_power.setting(name) %}
        {% if names is string or names is not sequence or names | unique(case_sensitive=true) | list | length != names | length or names | length < fewest %}
            {{ purchasing_power.refuse_config(
                'purchasing_power__' ~ name, 'is ' ~ tojson(names) ~ ': write a list of at least ' ~ fewest ~ ' different names.'
            ) }}
        {% endif %}
    {% endfor %}

    {% set types = purchasing_power.setting('event_types') | map('lower') | list %}
    {% if types | unique | list | length != types | length %}
        {{ purchasing_power.refuse_config(
            'purchasing_power__event_types', 'is ' ~ tojson(types) ~ ': write each type once, upper and lower case are the same.'
        ) }}
    {% endif %}

    {% for name in ('seasonal_features', 'refit_scaling', 'refit_cleaning', 'pseudonymise') %}
        {% if purchasing_power.setting(name) is not boolean %}
            {{ purchasing_power.refuse_config(
                'purchasing_power__' ~ name, 'is ' ~ tojson(purchasing_power.setting(name)) ~ ': write true or false.'
            ) }}
        {% endif %}
    {% endfor %}

    {{ purchasing_power.check_extra_channels() }}
    {{ purchasing_power.check_cleaning() }}
    {{ purchasing_power.check_training() }}
    {{ purchasing_power.check_lifecycle() }}
    {{ purchasing_power.check_audiences() }}
    {{ purchasing_power.check_risk() }}
    {{ purchasing_power.check_monitoring() }}

    {% for name in ('earliest_date', 'as_of_date') %}
        {% set date = purchasing_power.setting(name) %}
        {% if not (date is none and name == 'as_of_date') %}
            {{ purchasing_power.check_date('purchasing_power__' ~ name, date) }}
        {% endif %}
    {% endfor %}
    {% set as_of = purchasing_power.setting('as_of_date') %}
    {% if as_of is not none and grain == 'week' %}
        {% set weekday = modules.datetime.date.fromisoformat(as_of | string).weekday() %}
        {% if weekday != 0 %}
            {{ purchasing_power.refuse_config(
                'purchasing_power__as_of_date',
                'is ' ~ as_of ~ ', inside a week: with weekly steps write a Monday, so that every step before it is closed.'
            ) }}
        {% endif %}
    {% endif %}
{% endmacro %}


{#- Refuses what is not a share from 0 to 1. -#}
{% macro check_share(where, share) %}
    {% if share is not number or share is boolean or share < 0 or share > 1 %}
        {{ purchasing_power.refuse_config(where, 'is ' ~ tojson(share) ~ ': write a share from 0 to 1.') }}
    {% endif %}
{% endmacro %}


{#- Refuses what is not a date of the calendar, written YYYY-MM-DD. -#}
{% macro check_date(where, date) %}
    {% set parts = modules.re.match('^([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$', date | string) %}
    {% set year = parts.group(1) | int if parts else 0 %}
    {% set february = 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28 %}
    {% set days = {'02': february, '04': 30, '06': 30, '09': 30, '11': 30} %}
    {% if not parts or parts.group(3) | int > days.get(parts.group(2), 31) %}
        {{ purchasing_power.refuse_config(where, 'is ' ~ tojson(date | string) ~ ': write a date as YYYY-MM-DD.') }}
    {% endif %}
{% endmacro %}
