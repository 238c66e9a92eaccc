{#- Once: it is made of everything that the catalogues hold. -#}
{%- set feature_hash = purchasing_power.feature_hash() -%}
{%- set positions = {} -%}
with

definitions as (

    {% for entry in purchasing_power.feature_definitions() -%}
    {% set position = positions.get(entry.level, 0) -%}
    {% do positions.update({entry.level: position + 1}) -%}
    {% set window = entry.get('window') -%}
    select
        '{{ feature_hash }}' as feature_hash,
        '{{ entry.level }}' as level,
        {{ position }} as position,
        '{{ entry.name }}' as name,
        '{{ entry.sql | replace("'", "''") }}' as definition,
        cast({{ window[0] if window and window[0] is not none else 'null' }} as integer) as window_from,
        cast({{ window[1] if window else 'null' }} as integer) as window_to
    {% if not loop.last -%}
    union all
    {% endif -%}
    {% endfor %}

)

select * from definitions
