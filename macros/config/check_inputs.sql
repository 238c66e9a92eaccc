{#- Verifies the mapping: first what can be told from the vars alone, then against the warehouse. -#}
{% macro check_inputs() %}
    {% set where = 'purchasing_power__inputs' %}
    {% set contract = purchasing_power.input_contract() %}
    {% set inputs = purchasing_power.setting('inputs') %}
    {% if inputs is not mapping or not purchasing_power.has_input('order_lines') %}
        {{ purchasing_power.refuse_config(
            where, 'maps no order_lines, the one relation that is always needed: write relation and columns under '
            ~ 'purchasing_power__inputs: order_lines in vars (`purchasing-power init` proposes them).'
        ) }}
    {% endif %}

    {% for input_name in inputs if input_name not in contract %}
        {{ purchasing_power.refuse_config(
            where, 'maps the unknown relation ' ~ input_name ~ ': write one of ' ~ contract.keys() | join(', ') ~ '.'
        ) }}
    {% endfor %}

    {% for input_name in contract %}
        {% for entry in purchasing_power.input_mappings(input_name) %}
            {{ purchasing_power.check_mapping_shape(where ~ '.' ~ input_name, entry, contract[input_name]) }}
        {% endfor %}
    {% endfor %}

    {% if purchasing_power.has_input('order_lines', 'currency') and purchasing_power.setting('currency') == 'unspecified' %}
        {{ purchasing_power.refuse_config(
            'purchasing_power__currency', 'is not set, but order_lines maps a currency: name the one that all money becomes, like EUR.'
        ) }}
    {% endif %}

    {% for input_name in contract %}
        {% for entry in purchasing_power.input_mappings(input_name) %}
            {{ purchasing_power.check_mapped_relation(where ~ '.' ~ input_name, entry, contract[input_name], input_name) }}
        {% endfor %}
    {% endfor %}
{% endmacro %}


{#- Verifies one mapping without a look at the warehouse. -#}
{% macro check_mapping_shape(where, entry, columns) %}
    {% if entry is not mapping or entry.get('relation') is not string or entry.get('columns') is not mapping %}
        {{ purchasing_power.refuse_config(
            where, 'must give relation (a table, ref, source or file) and columns (contract column: SQL expression), but is '
            ~ tojson(entry) ~ '.'
        ) }}
    {% endif %}
    {% for key in entry if key not in ('relation', 'columns', 'where') %}
        {{ purchasing_power.refuse_config(where, 'has the unknown key ' ~ key ~ ': write relation, columns and, if need be, where.') }}
    {% endfor %}
    {% for column in entry['columns'] if column not in columns %}
        {{ purchasing_power.refuse_config(
            where, 'maps the unknown column ' ~ column ~ ': write some of ' ~ columns.keys() | join(', ') ~ '.'
        ) }}
    {% endfor %}
    {% for column, spec in columns.items() if spec.required and column not in entry['columns'] %}
        {{ purchasing_power.refuse_config(
            where, 'does not map ' ~ column ~ ', which is required: write `' ~ column ~ ': <SQL expression>` under its columns.'
        ) }}
    {% endfor %}
{% endmacro %}
