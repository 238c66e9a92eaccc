{#-
    One kind of activity in the shape that all kinds share: a select over `relation` that gives the columns in `given`
    (column: SQL expression), and NULL for the others.
-#}
{% macro activity_rows(activity, relation, given) %}
select
    '{{ activity }}' as activity,
    user_id,
    {% for column, type in purchasing_power.activity_columns().items() -%}
    cast({{ given.get(column, 'null') }} as {{ type }}) as {{ column }}{{ ',' if not loop.last }}
    {% endfor %}
from {{ relation }}
{% endmacro %}


{#- What is known of an activity beside its kind and its user: column, type. Fractions are decimals: their sums are exact. -#}
{% macro activity_columns() %}
    {% set columns = {
        'occurred_at': purchasing_power.contract_type('timestamp'),
        'product_id': purchasing_power.contract_type('text'),
        'category': purchasing_power.contract_type('text'),
        'order_id': purchasing_power.contract_type('text'),
        'quantity': purchasing_power.type_fraction(),
        'amount': purchasing_power.contract_type('money'),
        'discount_amount': purchasing_power.contract_type('money'),
        'price_level': purchasing_power.type_fraction(),
        'event_type': purchasing_power.contract_type('text'),
        'event_count': purchasing_power.contract_type('integer'),
        'starts_session': purchasing_power.contract_type('integer'),
        'seconds': purchasing_power.type_fraction(),
        'sentiment': purchasing_power.type_fraction(),
    } %}
    {% for number in purchasing_power.embedding_numbers() %}
        {% do columns.update({'embedding_' ~ number: purchasing_power.type_fraction()}) %}
    {% endfor %}
    {% for column in purchasing_power.setting('missing_indicators') %}
        {% do columns.update({'is_' ~ column ~ '_missing': dbt.type_boolean()}) %}
    {% endfor %}
    {% for channel in purchasing_power.setting('extra_channels') %}
        {% do columns.update({purchasing_power.extra_column(channel): purchasing_power.type_fraction()}) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{#- The numbers of the projected product embedding, from 1; none where no embedding is mapped. -#}
{% macro embedding_numbers() %}
    {{ return(
        range(1, purchasing_power.setting('embedding_channels') + 1) | list
        if purchasing_power.has_input('products', 'embedding') else []
    ) }}
{% endmacro %}


{#- What an input relation's rows bring to activity as the project's vars want: embeddings, indicators, own channels. -#}
{% macro given_by_user(input_name) %}
    {% set given = {} %}
    {% for number in purchasing_power.embedding_numbers() if input_name in ('order_lines', 'browse_events') %}
        {% do given.update({'embedding_' ~ number: 'embedding_' ~ number}) %}
    {% endfor %}
    {% for column in purchasing_power.cleaning_rules(input_name) if column in purchasing_power.setting('missing_indicators') %}
        {% do given.update({'is_' ~ column ~ '_missing': 'is_' ~ column ~ '_missing'}) %}
    {% endfor %}
    {% for channel in purchasing_power.setting('extra_channels') if channel.input == input_name %}
        {% do given.update({purchasing_power.extra_column(channel): purchasing_power.extra_column(channel)}) %}
    {% endfor %}
    {{ return(given) }}
{% endmacro %}
