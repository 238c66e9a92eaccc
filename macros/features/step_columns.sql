{#- Select list of the channels that are aggregated over the rows of a step, those that count different things apart. -#}
{% macro step_measures() %}
    {% set apart = purchasing_power.distinct_channels() | map(attribute='name') | list %}
    {% set columns = [] %}
    {% for channel in purchasing_power.channel_catalogue() if channel.level != 'step' and channel.name not in apart %}
        {% do columns.append(channel.sql ~ ' as ' ~ channel.name) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{#-
    The channels whose SQL is count(distinct case when condition then thing end): lists of name, condition, thing. A group by
    the thing and a count of the groups come to the same, and never hold the rows that the condition leaves out.
-#}
{% macro distinct_channels() %}
    {% set found = [] %}
    {% for channel in purchasing_power.channel_catalogue() if channel.level != 'step' %}
        {% for condition, thing in modules.re.findall('^count\\(distinct case when (.+) then (\\w+) end\\)$', channel.sql) %}
            {% do found.append({'name': channel.name, 'condition': condition, 'thing': thing}) %}
        {% endfor %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{#- Select list of all channels, in tensor order, over aggregated steps. -#}
{% macro step_channels() %}
    {% set columns = [] %}
    {% for channel in purchasing_power.channel_catalogue() %}
        {% do columns.append(channel.sql ~ ' as ' ~ channel.name if channel.level == 'step' else channel.name) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{#- A select of the steps, by the columns of `step`, with the count of a distinct channel's things. -#}
{% macro things_counted(channel, relation, step) %}
    select
        {{ step }},
        count(*) as thing_count
    from (
        select {{ step }}
        from {{ relation }}
        where {{ channel.condition }} and {{ channel.thing }} is not null
        group by {{ step }}, {{ channel.thing }}
    ) as {{ channel.name }}_met
    group by {{ step }}
{%- endmacro %}


{#- Joins what things_counted() counted to the rows that it was counted for. -#}
{% macro join_things_counted(measured, channels, by_instant) %}
    {%- for channel in channels -%}
        left join {{ channel.name }}_counted
        on {{ purchasing_power.same_step(measured, channel.name ~ '_counted', by_instant) }}
    {% endfor -%}
{% endmacro %}


{#- Join condition of measured steps with another relation that has a row a step. -#}
{% macro same_step(measured, other, by_instant) %}
    {%- set columns = {'user_id': 'user_id', 'step_on': 'step_on'} -%}
    {%- if by_instant -%}
        {%- do columns.update({'step_started_at': 'occurred_at'}) -%}
    {%- endif -%}
    {%- set conditions = [] -%}
    {%- for own, given in columns.items() -%}
        {%- do conditions.append(measured ~ '.' ~ own ~ ' = ' ~ other ~ '.' ~ given) -%}
    {%- endfor -%}
    {{ return(conditions | join(' and ')) }}
{% endmacro %}
