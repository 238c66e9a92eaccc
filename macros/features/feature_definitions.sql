{#-
    All SQL that features are made of, in the order in which it is computed; each entry has level, name, sql and, for an
    aggregate over a window, window. A level is over the ones above it:
      activity    a column of a row of cleaned activity; sql is its type
      category    a condition: how many rows of a step satisfy it, a category; what follows has those that any row does
      categories  an aggregate over these counts of a step
      measure     a channel: an aggregate over the rows of a step
      spacing     an expression over a step and the dates of its predecessors
      step        a channel: an expression over a step
      point       an expression over a step: what windows aggregate
      window      context: an aggregate over the points of a window of days before the anchor
      context     context: an expression over windows, anchor_on and first_seen_on
      digest      an expression over a step in the engine's own SQL: what user_states.consumed_digest sums up
-#}
{% macro feature_definitions() %}
    {% set definitions = [{'level': 'activity', 'name': 'activity', 'sql': purchasing_power.contract_type('text')}] %}
    {% for column, type in purchasing_power.activity_columns().items() %}
        {% do definitions.append({'level': 'activity', 'name': column, 'sql': type}) %}
    {% endfor %}
    {% for column in purchasing_power.category_columns() %}
        {% if loop.first %}
            {% do definitions.append({
                'level': 'category', 'name': 'line_count', 'sql': purchasing_power.is_line_of_a_category(),
            }) %}
        {% endif %}
        {% do definitions.append(dict(column, level='categories')) %}
    {% endfor %}
    {% for channel in purchasing_power.channel_catalogue() if channel.level != 'step' %}
        {% do definitions.append({'level': 'measure', 'name': channel.name, 'sql': channel.sql}) %}
    {% endfor %}
    {% for column in purchasing_power.spacing_columns() %}
        {% do definitions.append(dict(column, level='spacing')) %}
    {% endfor %}
    {% for channel in purchasing_power.channel_catalogue() if channel.level == 'step' %}
        {% do definitions.append({'level': 'step', 'name': channel.name, 'sql': channel.sql}) %}
    {% endfor %}
    {% for column in purchasing_power.point_columns() %}
        {% do definitions.append(dict(column, level='point')) %}
    {% endfor %}
    {% for level in ('window', 'context') %}
        {% for entry in purchasing_power.context_catalogue() if (entry.window is defined) == (level == 'window') %}
            {% do definitions.append({'level': level, 'name': entry.name, 'sql': entry.sql, 'window': entry.get('window')}) %}
        {% endfor %}
    {% endfor %}
    {% do definitions.append({'level': 'digest', 'name': 'step_digest', 'sql': purchasing_power.step_digest()}) %}
    {{ return(definitions) }}
{% endmacro %}
