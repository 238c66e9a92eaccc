{#- Once: it is made of everything that the catalogues hold. -#}
{%- set feature_hash = purchasing_power.feature_hash() -%}
{%- set positions = {} -%}
with

definitions as (

    select
        '{{ feature_hash }}' as feature_hash,
        given.level,
        given.position,
        given.name,
        given.definition,
        cast(given.window_from as integer) as window_from,
        cast(given.window_to as integer) as window_to
    from (
        values
        {% for entry in purchasing_power.feature_definitions() -%}
        {% set position = positions.get(entry.level, 0) -%}
        {% do positions.update({entry.level: position + 1}) -%}
        {% set window = entry.get('window') -%}
        (
            '{{ entry.level }}',
            {{ position }},
            '{{ entry.name }}',
            {{ purchasing_power.text_literal(entry.sql) }},
            {{ window[0] if window and window[0] is not none else 'null' }},
            {{ window[1] if window else 'null' }}
        ){{ ',' if not loop.last }}
        {% endfor %}
    ) as given (level, position, name, definition, window_from, window_to)

)

select * from definitions
