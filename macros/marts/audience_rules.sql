{#-
    The audiences by name, purchasing_power__audiences over its defaults. Each has
      where    SQL condition over purchasing_power__user_segments
      value    SQL over the same: the money that is at stake with a user over the horizon
      uplift   the share of it that reaching the user adds
-#}
{% macro audience_rules() %}
    {% set uplift = purchasing_power.setting('audience_uplift') %}
    {% set rules = {} %}
    {% set defaults = purchasing_power.default_audiences() %}
    {% for name, given in dict(defaults, **purchasing_power.setting('audiences')).items() if given is not sameas false and given is not none %}
        {% set rule = {'value': 'expected_spend', 'uplift': uplift} %}
        {% do rule.update(defaults.get(name, {})) %}
        {% do rule.update({'where': given} if given is string else given) %}
        {% do rules.update({name: rule}) %}
    {% endfor %}
    {{ return(rules) }}
{% endmacro %}


{#- Those whom campaigns are made for; of those who stay away what they used to spend beyond what is expected is at stake. -#}
{% macro default_audiences() %}
    {% set missing = 'greatest(usual_spend - expected_spend, 0)' %}
    {{ return({
        'high_value': {'where': 'purchasing_power_percentile >= 90'},
        'rising': {'where': "lifecycle = 'rising' and purchasing_power_percentile >= 50"},
        'at_risk': {
            'where': "lifecycle in ('cooling', 'lapsing') and orders_ever >= 3 and expected_spend < usual_spend",
            'value': missing,
        },
        'win_back': {'where': "lifecycle = 'lost' and orders_ever >= 2", 'value': missing},
        'new_with_potential': {'where': "lifecycle = 'new' and purchasing_power_percentile >= 50"},
    }) }}
{% endmacro %}


{#- Refuses what is no mapping of rules. -#}
{% macro check_audience_shapes(given) %}
    {% set where = 'purchasing_power__audiences' %}
    {% if given is not mapping %}
        {{ purchasing_power.refuse_config(
            where, 'is ' ~ tojson(given) ~ ': write a mapping from a name to a SQL condition, to {where, value, uplift}, or to false.'
        ) }}
    {% endif %}
    {% for name, rule in given.items() if rule is not sameas false and rule is not none %}
        {% if not modules.re.match('^[a-z][a-z0-9_]*$', name | string) %}
            {{ purchasing_power.refuse_config(where, 'names ' ~ tojson(name) ~ ': write a-z, 0-9 and _, first a letter.') }}
        {% elif rule is not string and rule is not mapping %}
            {{ purchasing_power.refuse_config(
                where ~ '.' ~ name, 'is ' ~ tojson(rule) ~ ': write a SQL condition, {where, value, uplift}, or false.'
            ) }}
        {% elif rule is mapping and 'where' not in rule and name not in purchasing_power.default_audiences() %}
            {{ purchasing_power.refuse_config(where ~ '.' ~ name, 'has no where: write the SQL condition of who belongs to it.') }}
        {% endif %}
        {% for key in rule if rule is mapping and key not in ('where', 'value', 'uplift') %}
            {{ purchasing_power.refuse_config(where ~ '.' ~ name, 'has ' ~ tojson(key) ~ ': it knows where, value and uplift.') }}
        {% endfor %}
    {% endfor %}
{% endmacro %}


{#- Refuses shares and SQL of audiences that are none. -#}
{% macro check_audiences() %}
    {{ purchasing_power.check_share('purchasing_power__audience_uplift', purchasing_power.setting('audience_uplift')) }}
    {% for name, rule in purchasing_power.audience_rules().items() %}
        {% set where = 'purchasing_power__audiences.' ~ name %}
        {{ purchasing_power.check_share(where ~ '.uplift', rule.uplift) }}
        {% for key in ('where', 'value') if rule[key] is not string or not rule[key] | trim %}
            {{ purchasing_power.refuse_config(where ~ '.' ~ key, 'is ' ~ tojson(rule[key]) ~ ': write SQL.') }}
        {% endfor %}
    {% endfor %}
{% endmacro %}


{#- Stops the run with one sentence where a rule is no SQL over the columns of the given relation. -#}
{% macro require_audience_sql(relation) %}
    {% if not execute or flags.WHICH not in ('run', 'build', 'retry') %}
        {{ return('') }}
    {% endif %}
    {% set present = adapter.get_columns_in_relation(relation) | map(attribute='name') | list %}
    {# In a unit test there is no relation to look at. #}
    {% for name, rule in purchasing_power.audience_rules().items() if present %}
        {% for key in ('where', 'value') %}
            {% set problem = purchasing_power.expression_problem(rule[key], present, relation | string) %}
            {% if problem %}
                {{ purchasing_power.refuse_config(
                    'purchasing_power__audiences.' ~ name ~ '.' ~ key, 'is ' ~ tojson(rule[key]) ~ ', ' ~ problem
                    ~ ': write SQL over the columns of purchasing_power__user_segments.'
                ) }}
            {% endif %}
        {% endfor %}
    {% endfor %}
{% endmacro %}
