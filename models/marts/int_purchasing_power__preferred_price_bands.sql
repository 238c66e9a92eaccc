{#-
    The band that a user's next line of a category is likeliest in: what they bought of it lately, and, worth one line, what
    everybody buys of it, tilted by the bands that the user buys in anywhere. Those few who bought little are told by that; of
    the others it decides between bands that they buy alike.
-#}
{%- set bands = purchasing_power.setting('price_bands') -%}
{# Lines that the user's bands over all categories have to outweigh before they count more than everybody's. -#}
{%- set prior_lines = 5 -%}
with

user_price_bands as (

    select * from {{ ref('int_purchasing_power__user_price_bands') }}

),

bands as (

    {% for band in range(1, bands + 1) -%}
    select {{ band }} as band
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

category_shares as (

    select
        known_until,
        category,
        band,
        sum(lines) * 1.0 / sum(sum(lines)) over (partition by known_until, category) as line_share
    from user_price_bands
    group by known_until, category, band

),

of_users as (

    select
        known_until,
        user_id,
        band,
        sum(weight) as weight,
        sum(sum(weight)) over (partition by known_until, user_id) as weight_of_all
    from user_price_bands
    group by known_until, user_id, band

),

of_categories as (

    select
        known_until,
        is_today,
        user_id,
        category,
        sum(weight) as weight,
        row_number() over (
            partition by known_until, user_id order by sum(weighted_spend) desc, category asc
        ) as category_rank
    from user_price_bands
    group by known_until, is_today, user_id, category

),

cared_for as (

    select * from of_categories
    where
        not is_today
        or category_rank <= {{ purchasing_power.setting('recommended_categories') }}

),

weights_of_all as (

    select
        known_until,
        user_id,
        max(weight_of_all) as weight_of_all
    from of_users
    group by known_until, user_id

),

likeliness as (

    select
        cared_for.known_until,
        cared_for.is_today,
        cared_for.user_id,
        cared_for.category,
        cared_for.category_rank,
        bands.band,
        coalesce(user_price_bands.weight, 0) as weight,
        cared_for.weight as weight_of_category,
        user_price_bands.last_bought_at,
        {{ purchasing_power.rounded(
            'coalesce(user_price_bands.weight, 0) + coalesce(category_shares.line_share, 0) * ' ~ bands
            ~ ' * (coalesce(of_users.weight, 0) + ' ~ prior_lines / bands ~ ') / (weights_of_all.weight_of_all + ' ~ prior_lines ~ ')', 9
        ) }} as likeliness
    from cared_for
    cross join bands
    inner join weights_of_all
        on
            cared_for.known_until = weights_of_all.known_until
            and cared_for.user_id = weights_of_all.user_id
    left join user_price_bands
        on
            cared_for.known_until = user_price_bands.known_until
            and cared_for.user_id = user_price_bands.user_id
            and cared_for.category = user_price_bands.category
            and bands.band = user_price_bands.band
    left join of_users
        on
            cared_for.known_until = of_users.known_until
            and cared_for.user_id = of_users.user_id
            and bands.band = of_users.band
    left join category_shares
        on
            cared_for.known_until = category_shares.known_until
            and cared_for.category = category_shares.category
            and bands.band = category_shares.band

),

placed as (

    select
        *,
        row_number() over (
            partition by known_until, user_id, category order by likeliness desc, band asc
        ) as likeliness_place,
        row_number() over (
            partition by known_until, user_id, category
            order by {{ purchasing_power.nulls_last('last_bought_at desc, band desc') }}
        ) as last_place
    from likeliness

),

preferred as (

    select
        known_until,
        is_today,
        user_id,
        category,
        max(category_rank) as category_rank,
        max(case when likeliness_place = 1 then band end) as band,
        cast(
            max(case when likeliness_place = 1 then weight / weight_of_category end)
            as {{ purchasing_power.type_double() }}
        ) as band_share,
        max(case when last_place = 1 then band end) as last_bought_band
    from placed
    group by known_until, is_today, user_id, category

)

select * from preferred
