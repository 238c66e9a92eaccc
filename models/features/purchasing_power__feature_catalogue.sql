{#- Once: it is made of everything that the catalogues hold. -#}
{%- set feature_hash = purchasing_power.feature_hash() -%}
with

catalogue as (

    select
        '{{ feature_hash }}' as feature_hash,
        given.*
    from (
        values
        {% for feature_set, entries in [
            ('channel', purchasing_power.channel_catalogue()),
            ('context', purchasing_power.context_features()),
        ] -%}
        {% set is_last_set = loop.last -%}
        {% for entry in entries -%}
        (
            '{{ feature_set }}',
            {{ loop.index0 }},
            '{{ entry.name }}',
            '{{ purchasing_power.explained_group(entry.group) }}',
            '{{ entry.transform }}',
            {{ purchasing_power.text_literal(entry.description) }}
        ){{ ',' if not (is_last_set and loop.last) }}
        {% endfor -%}
        {% endfor %}
    ) as given (feature_set, position, feature_name, feature_group, transform, description)

)

select * from catalogue
