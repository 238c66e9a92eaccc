{#-
    What stands between the rows of activity and the two catalogues: lists of name and portable SQL, rendered by the models
    and written into purchasing_power__feature_definitions, so that what runs outside the warehouse reads the same.
-#}

{#- Whether a row of activity counts in the entropy of categories: an order line whose category is known. -#}
{% macro is_line_of_a_category() %}
    {{ return("activity = 'order_line' and category is not null") }}
{% endmacro %}


{#-
    Over the categories of a step, line_count being the lines of each: -sum(p ln p) with p = n / N, rearranged so that one
    pass suffices. Terms are decimals, so that their order leaves no trace; what is divided is none, as of a decimal's
    quotient Spark keeps six digits.
-#}
{% macro category_columns() %}
    {{ return([
        {
            'name': 'category_entropy_bought',
            'sql': 'cast((ln(sum(line_count)) * sum(line_count) - sum(cast(line_count * ln(line_count) as decimal(28, 8)))) / sum(line_count) as decimal(28, 6))',
        },
    ] if purchasing_power.has_input('products', 'category') else []) }}
{% endmacro %}


{#- Date of a step with an order, over the step's channels. -#}
{% macro order_on() %}
    {{ return('case when orders > 0 then step_on end') }}
{% endmacro %}


{#-
    Where a step stands among the others of its user, over the step and the dates of the step and of the order before
    (previous_step_on, previous_order_on: NULL where there is none); calendar functions as render_calendar() knows them.
-#}
{% macro spacing_columns() %}
    {{ return([
        {'name': 'day_of_week', 'sql': 'day_of_week(step_on)'},
        {'name': 'days_since_previous_step', 'sql': 'coalesce(days_between(previous_step_on, step_on), 0)'},
        {
            'name': 'days_since_previous_order',
            'sql': 'case when orders > 0 then coalesce(days_between(previous_order_on, step_on), 0) else 0 end',
        },
    ]) }}
{% endmacro %}


{#-
    What windows aggregate, over a step. A mean's sum leaves out the steps that its count does, and is of decimals: a
    difference of sums of doubles keeps a trace of what lies outside.
-#}
{% macro point_columns() %}
    {% set channels = purchasing_power.channel_catalogue() %}
    {% set columns = [
        {'name': 'is_step', 'sql': '1'},
        {'name': 'step_on', 'sql': 'step_on'},
        {'name': 'order_on', 'sql': purchasing_power.order_on()},
        {'name': 'order_gap', 'sql': 'nullif(days_since_previous_order, 0)'},
        {'name': 'order_gap_square', 'sql': 'nullif(days_since_previous_order, 0) * days_since_previous_order'},
    ] %}
    {% for counted in channels | map(attribute='mean_of') | select | unique | list %}
        {% do columns.append({
            'name': purchasing_power.step_with(counted), 'sql': 'case when ' ~ counted ~ ' > 0 then step_on end',
        }) %}
    {% endfor %}
    {% for channel in channels %}
        {% do columns.append({
            'name': channel.name,
            'sql': (
                'case when ' ~ channel.mean_of ~ ' > 0 then cast(' ~ channel.name ~ ' as decimal(28, 12)) end'
                if channel.mean_of else channel.name
            ),
        }) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{#- Select list of such columns. -#}
{% macro rendered_columns(columns) %}
    {% set rendered = [] %}
    {% for column in columns %}
        {% do rendered.append(purchasing_power.render_calendar(column.sql) ~ ' as ' ~ column.name) %}
    {% endfor %}
    {{ return(rendered) }}
{% endmacro %}


{#- Renders the calendar functions of portable SQL for the engine: days_between(earlier, later), day_of_week(date). -#}
{% macro render_calendar(sql) %}
    {% set sql = modules.re.sub(
        '\\bdays_between\\((\\w+), (\\w+)\\)', purchasing_power.days_between('\\1', '\\2'), sql
    ) %}
    {{ return(modules.re.sub('\\bday_of_week\\((\\w+)\\)', purchasing_power.day_of_week('\\1'), sql)) }}
{% endmacro %}


{#- Digest of a step: whatever changes in it changes the digest. -#}
{% macro step_digest() %}
    {{ return(purchasing_power.row_hash(
        ['step_started_at'] + purchasing_power.channel_catalogue() | map(attribute='name') | list
    )) }}
{% endmacro %}
