{#- Once: it is made of everything that the catalogues hold. -#}
{%- set feature_hash = purchasing_power.feature_hash() -%}
with

catalogue as (

    {% for feature_set, entries in [
        ('channel', purchasing_power.channel_catalogue()),
        ('context', purchasing_power.context_features()),
    ] -%}
    {% set is_last_set = loop.last -%}
    {% for entry in entries -%}
    select
        '{{ feature_hash }}' as feature_hash,
        '{{ feature_set }}' as feature_set,
        {{ loop.index0 }} as position,
        '{{ entry.name }}' as feature_name,
        '{{ entry.group }}' as feature_group,
        '{{ entry.transform }}' as transform,
        '{{ entry.description | replace("'", "''") }}' as description
    {% if not (is_last_set and loop.last) -%}
    union all
    {% endif -%}
    {% endfor -%}
    {% endfor %}

)

select * from catalogue
