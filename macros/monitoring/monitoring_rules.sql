{#- How the package watches its inputs, features and scores: purchasing_power__monitoring over its defaults. -#}
{% macro monitoring_rules() %}
    {% set rules = purchasing_power.default_monitoring() %}
    {% do rules.update(purchasing_power.setting('monitoring')) %}
    {{ return(rules) }}
{% endmacro %}


{#-
    The defaults:
      severity          what dbt says when something is unusual: warn, error or off; or a mapping of checks to these
      reference_days    days, or weeks with weekly steps, whose values say what is usual
      fewest_days       fewer of them say nothing: no alarm
      departures        alarm from so many standard deviations on
      volume_change     and from so large a change of a count (0.2: a fifth more or less),
      share_change      of a share of rows (0.05: five in a hundred rows more or less),
      value_change      of an amount or price (0.1: a tenth dearer or cheaper)
      psi, ks           and from such a population stability index, or Kolmogorov-Smirnov distance, on
      calibration       matured predictions may be off by such a share of what was predicted
      fewest_users      groups of fewer matured users are not judged
      sample_rows       rows, at most, that a distribution is made of
      fresh_within_days days that the newest row may lie behind today; none: today does not matter
-#}
{% macro default_monitoring() %}
    {{ return({
        'severity': 'warn',
        'reference_days': 28,
        'fewest_days': 14,
        'departures': 5,
        'volume_change': 0.2,
        'share_change': 0.05,
        'value_change': 0.1,
        'psi': 0.25,
        'ks': 0.15,
        'calibration': 0.25,
        'fewest_users': 100,
        'sample_rows': 10000,
        'fresh_within_days': none,
    }) }}
{% endmacro %}


{#- The checks whose severity can be set one by one. -#}
{% macro monitoring_checks() %}
    {{ return(['input_changes', 'input_columns', 'input_freshness', 'unseen_categories', 'feature_drift', 'score_drift', 'calibration']) }}
{% endmacro %}


{#- What dbt is to say when a check finds something: warn, error or off. -#}
{% macro monitoring_severity(check) %}
    {% set severity = purchasing_power.monitoring_rules().severity %}
    {{ return(severity.get(check, purchasing_power.default_monitoring().severity) if severity is mapping else severity) }}
{% endmacro %}


{#- Refuses rules of purchasing_power__monitoring that there are not, or that cannot be meant. -#}
{% macro check_monitoring() %}
    {% set known, given, where = purchasing_power.default_monitoring(), purchasing_power.setting('monitoring'), 'purchasing_power__monitoring' %}
    {% if given is not mapping %}
        {{ purchasing_power.refuse_config(where, 'is ' ~ tojson(given) ~ ': write a mapping of ' ~ known | join(', ') ~ '.') }}
    {% endif %}
    {% for name, value in given.items() %}
        {% if name not in known %}
            {{ purchasing_power.refuse_config(where, 'has ' ~ tojson(name) ~ ': it knows ' ~ known | join(', ') ~ '.') }}
        {% elif name == 'severity' %}
            {{ purchasing_power.check_severity(where ~ '.severity', value) }}
        {% elif value is none and name == 'fresh_within_days' %}
        {% elif value is not number or value is boolean or value <= 0 %}
            {{ purchasing_power.refuse_config(where ~ '.' ~ name, 'is ' ~ tojson(value) ~ ': write a number above 0.') }}
        {% elif name in ('reference_days', 'fewest_days', 'fewest_users', 'sample_rows', 'fresh_within_days') and value is not integer %}
            {{ purchasing_power.refuse_config(where ~ '.' ~ name, 'is ' ~ tojson(value) ~ ': write a whole number.') }}
        {% endif %}
    {% endfor %}
    {% set rules = purchasing_power.monitoring_rules() %}
    {% if rules.fewest_days < 2 or rules.fewest_days > rules.reference_days %}
        {{ purchasing_power.refuse_config(
            where ~ '.fewest_days',
            'is ' ~ rules.fewest_days ~ ': write a whole number from 2 to reference_days, which is ' ~ rules.reference_days ~ '.'
        ) }}
    {% endif %}
{% endmacro %}


{#- Refuses a severity, or a mapping of checks to severities, that there is not. -#}
{% macro check_severity(where, value) %}
    {% set checks = purchasing_power.monitoring_checks() %}
    {% for check, severity in (value if value is mapping else {'': value}).items() %}
        {% if check and check not in checks %}
            {{ purchasing_power.refuse_config(where, 'has ' ~ tojson(check) ~ ': it knows ' ~ checks | join(', ') ~ '.') }}
        {% elif severity not in ('warn', 'error', 'off') %}
            {{ purchasing_power.refuse_config(
                where ~ ('.' ~ check if check else ''),
                'is ' ~ tojson(severity) ~ ': write warn, error or off' ~ ('' if check else ', or a mapping of checks to these') ~ '.'
            ) }}
        {% endif %}
    {% endfor %}
{% endmacro %}


{#- The first day of those that are watched: as many are shown as say what is usual, and each has as many before it. -#}
{% macro watched_since(as_of_date) %}
    {% set days = 2 * purchasing_power.monitoring_rules().reference_days * (7 if purchasing_power.setting('step_grain') == 'week' else 1) %}
    {{ return('(' ~ as_of_date ~ ' - ' ~ days ~ ')') }}
{% endmacro %}


{#- The time so many hours before this run, UTC. -#}
{% macro hours_ago(hours) %}
    {%- set moment = run_started_at - modules.datetime.timedelta(hours=hours) -%}
    {{ return("cast('" ~ moment.strftime('%Y-%m-%d %H:%M:%S') ~ "' as " ~ dbt.type_timestamp() ~ ')') }}
{% endmacro %}
