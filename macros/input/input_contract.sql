{#-
    The input contract: for each relation its columns in order, each with
      type      text | integer | money | number | timestamp | embedding
      required  whether a mapping of the relation must give it
      key       whether it identifies a row (rows that repeat it are duplicates)
      upper     whether the text is taken in upper case, so that case means nothing
      not_negative  whether a number below 0 is taken for none
      of_now    whether it says what is now and nothing of the past: no feature is made of it, nobody rebuilt when it changes
-#}
{% macro input_contract() %}
    {% set contract = {
        'order_lines': {
            'order_line_id': {'type': 'text', 'key': true},
            'order_id': {'type': 'text'},
            'user_id': {'type': 'text', 'required': true},
            'ordered_at': {'type': 'timestamp', 'required': true},
            'product_id': {'type': 'text'},
            'quantity': {'type': 'number'},
            'amount': {'type': 'money', 'required': true},
            'discount_amount': {'type': 'money'},
            'currency': {'type': 'text', 'upper': true},
            'cancelled_at': {'type': 'timestamp'},
        },
        'browse_events': {
            'event_id': {'type': 'text', 'key': true},
            'session_id': {'type': 'text'},
            'user_id': {'type': 'text', 'required': true},
            'occurred_at': {'type': 'timestamp', 'required': true},
            'event_type': {'type': 'text'},
            'product_id': {'type': 'text'},
            'event_count': {'type': 'integer', 'not_negative': true},
            'duration_seconds': {'type': 'number', 'not_negative': true},
        },
        'reviews': {
            'review_id': {'type': 'text', 'key': true},
            'user_id': {'type': 'text', 'required': true},
            'reviewed_at': {'type': 'timestamp', 'required': true},
            'product_id': {'type': 'text'},
            'rating': {'type': 'number'},
            'review_text': {'type': 'text'},
        },
        'products': {
            'product_id': {'type': 'text', 'required': true, 'key': true},
            'category': {'type': 'text'},
            'brand': {'type': 'text'},
            'list_price': {'type': 'money'},
            'stock_quantity': {'type': 'number', 'of_now': true},
            'embedding': {'type': 'embedding'},
        },
        'customers': {
            'user_id': {'type': 'text', 'required': true, 'key': true},
            'signed_up_at': {'type': 'timestamp'},
        },
        'exchange_rates': {
            'currency': {'type': 'text', 'required': true, 'key': true, 'upper': true},
            'valid_from': {'type': 'timestamp', 'key': true},
            'rate': {'type': 'number', 'required': true},
        },
    } %}
    {% for channel in purchasing_power.setting('extra_channels') %}
        {% do contract.get(channel.input, {}).update({purchasing_power.extra_column(channel): {'type': 'number'}}) %}
    {% endfor %}
    {{ return(contract) }}
{% endmacro %}


{#- The columns of a relation that features may be made of. -#}
{% macro columns_of_the_past(input_name) %}
    {% set columns = [] %}
    {% for column, spec in purchasing_power.input_contract()[input_name].items() if not spec.of_now %}
        {% do columns.append(column) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{#- The input column that holds a user's own channel (purchasing_power__extra_channels), a row at a time. -#}
{% macro extra_column(channel) %}
    {{ return('extra_' ~ channel.name) }}
{% endmacro %}
