{#- Select list of the channels that are aggregated over the rows of a step. -#}
{% macro step_measures() %}
    {% set columns = [] %}
    {% for channel in purchasing_power.channel_catalogue() if channel.level != 'step' %}
        {% do columns.append(channel.sql ~ ' as ' ~ channel.name) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{#- Select list of all channels, in tensor order, over aggregated steps. -#}
{% macro step_channels() %}
    {% set columns = [] %}
    {% for channel in purchasing_power.channel_catalogue() %}
        {% do columns.append(channel.sql ~ ' as ' ~ channel.name if channel.level == 'step' else channel.name) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}
