{#- Verifies the groups that errors are told of: names, and expressions over the relation that is mapped as customers. -#}
{% macro check_groups() %}
    {% set where, groups = 'purchasing_power__groups', purchasing_power.setting('groups') %}
    {% if groups is not mapping %}
        {{ purchasing_power.refuse_config(
            where, 'is ' ~ tojson(groups) ~ ': write a mapping of names to SQL expressions over the customers relation, like {age: age_band}.'
        ) }}
    {% elif groups and not purchasing_power.has_input('customers') %}
        {{ purchasing_power.refuse_config(
            where, 'names ' ~ groups.keys() | join(', ') ~ ', and no customers are mapped: map them in purchasing_power__inputs, or name no groups.'
        ) }}
    {% endif %}
    {% for name, expression in groups.items() %}
        {% if not modules.re.match('^[a-z][a-z0-9_]*$', name | string) or name in ('all', 'user_id') or purchasing_power.expression_problem(name, [name]) %}
            {{ purchasing_power.refuse_config(
                where, 'has ' ~ tojson(name) ~ ': write a name of small letters, digits and _ that is no word of SQL, nor all or user_id.'
            ) }}
        {% elif expression is not string %}
            {{ purchasing_power.refuse_config(where ~ '.' ~ name, 'is ' ~ tojson(expression) ~ ': write a SQL expression, such as the name of a column.') }}
        {% endif %}
        {% for entry in purchasing_power.input_mappings('customers') %}
            {{ purchasing_power.check_group(where ~ '.' ~ name, entry['relation'] | trim, expression) }}
        {% endfor %}
    {% endfor %}
{% endmacro %}


{#- Refuses a group's expression that reads columns which the relation lacks. Models that this same run will build are left to it. -#}
{% macro check_group(where, relation, expression) %}
    {% set is_node = purchasing_power.is_node(relation) %}
    {% set source = purchasing_power.find_node(where, relation) if is_node else purchasing_power.input_source(relation) %}
    {% if not is_node or load_relation(source) is not none %}
        {% set present = purchasing_power.select_types('select * from ' ~ source).keys() | list %}
        {% set problem = purchasing_power.expression_problem(expression, present, source) %}
        {% if problem %}
            {{ purchasing_power.refuse_config(
                where, 'is `' ~ expression ~ '`, ' ~ problem ~ '; ' ~ relation ~ ' has ' ~ present | join(', ') ~ '.'
            ) }}
        {% endif %}
    {% endif %}
{% endmacro %}
