{#-
    Who departs lately from what they and their peers did before. Each signal is a departure in standard deviations from a
    user's own past, to which the average user's counts as four weeks or five purchases more, so that one who was hardly seen
    is judged as everybody. Money is compared in logarithms: what people buy at once spreads over a few times its middle.
-#}
{%- set rules = purchasing_power.risk_rules() -%}
{%- set window = rules.window_days -%}
{%- set horizon = purchasing_power.setting('horizon_days') | int -%}
{%- set double = purchasing_power.type_double() -%}
{%- set peer_days = 28 -%}
{%- set peer_purchases = 5 -%}
with

scores as (

    select * from {{ ref('purchasing_power__scores') }}

),

users as (

    select * from {{ ref('purchasing_power__users') }}

),

steps as (

    select
        user_steps.user_id,
        cast(user_steps.spend + user_steps.refunds as {{ double }}) as bought,
        case
            when user_steps.spend + user_steps.refunds > 0
                then ln(cast(user_steps.spend + user_steps.refunds as {{ double }}))
        end as log_bought,
        cast(user_steps.refunds as {{ double }}) as refunds,
        user_steps.orders,
        {{ purchasing_power.days_between('user_steps.step_on', 'known_past.as_of_date') }} as days_ago
    from {{ ref('purchasing_power__user_steps') }} as user_steps
    cross join {{ ref('int_purchasing_power__as_of') }} as known_past

),

summed as (

    select
        user_id,
        max(case when days_ago <= {{ window }} then log_bought end) as recent_log,
        count(case when days_ago > {{ window }} then log_bought end) as earlier_purchases,
        coalesce(sum(case when days_ago > {{ window }} then log_bought end), 0) as earlier_log,
        coalesce(sum(case when days_ago > {{ window }} then log_bought * log_bought end), 0) as earlier_log_squared,
        sum(case when days_ago <= {{ window }} then orders else 0 end) as recent_orders,
        sum(case when days_ago > {{ window }} then orders else 0 end) as earlier_orders,
        sum(case when days_ago <= {{ horizon }} then bought else 0 end) as horizon_bought,
        sum(case when days_ago <= {{ horizon }} then refunds else 0 end) as horizon_refunds,
        sum(case when days_ago <= {{ horizon }} then orders else 0 end) as horizon_orders,
        sum(case when days_ago > {{ horizon }} then bought else 0 end) as before_bought,
        sum(case when days_ago > {{ horizon }} then refunds else 0 end) as before_refunds
    from steps
    group by user_id

),

observed as (

    select
        summed.*,
        scores.as_of_date,
        scores.horizon_days,
        scores.purchasing_power_tier,
        scores.expected_spend,
        scores.anomaly_score,
        scores.is_outlier,
        scores.model_version,
        greatest(
            {{ purchasing_power.days_between('users.first_seen_on', 'scores.as_of_date') }} - {{ window }}, 0
        ) as earlier_days
    from scores
    inner join users on scores.user_id = users.user_id
    inner join summed on scores.user_id = summed.user_id

),

peers as (

    select
        coalesce(sum(earlier_log) / nullif(sum(earlier_purchases), 0), 0) as mean_log,
        -- about the users' own means, as that is how a user departs from themself
        coalesce(
            sum(earlier_log_squared - earlier_log * earlier_log / nullif(earlier_purchases, 0))
            / nullif(sum(case when earlier_purchases > 0 then earlier_purchases - 1 end), 0), 1
        ) as variance_of_log,
        coalesce(sum(earlier_orders) * 1.0 / nullif(sum(earlier_days), 0), 0) as orders_a_day,
        -- before the horizon: whoever gives everything back now is not what is usual
        coalesce(
            sum(before_refunds) / nullif(sum(before_bought), 0),
            sum(horizon_refunds) / nullif(sum(horizon_bought), 0), 0
        ) as refunded_share
    from observed

),

expected as (

    select
        observed.*,
        peers.refunded_share as peers_refunded_share,
        (observed.earlier_log + {{ peer_purchases }} * peers.mean_log)
        / (observed.earlier_purchases + {{ peer_purchases }}) as usual_log,
        (
            observed.earlier_log_squared
            - observed.earlier_log * observed.earlier_log / greatest(observed.earlier_purchases, 1)
            + {{ peer_purchases }} * peers.variance_of_log
        ) / (observed.earlier_purchases + {{ peer_purchases }}) as usual_variance,
        {{ window }} * (observed.earlier_orders + {{ peer_days }} * peers.orders_a_day)
        / (observed.earlier_days + {{ peer_days }}) as usual_orders,
        coalesce(observed.horizon_refunds / nullif(observed.horizon_bought, 0), 0) as refunded_share,
        -- their own share before, or their peers', whichever excuses more
        greatest(
            peers.refunded_share, 0.01,
            least(coalesce(observed.before_refunds / nullif(observed.before_bought, 0), 0), 0.99)
        ) as usual_refunded_share,
        rank() over (order by {{ purchasing_power.nulls_last('observed.recent_log desc') }}) as recent_place,
        count(observed.recent_log) over () as recent_buyers
    from observed
    cross join peers

),

measured as (

    select
        *,
        coalesce((recent_log - usual_log) / nullif(sqrt(greatest(usual_variance, 0)), 0), 0) as spend_departure,
        (recent_orders - usual_orders) / sqrt(usual_orders + 1) as orders_departure,
        case
            when horizon_orders > 0
                then
                    (least(refunded_share, 1) - usual_refunded_share)
                    / sqrt(usual_refunded_share * (1 - usual_refunded_share) / horizon_orders)
            else 0
        end as refunds_departure
    from expected

),

judged as (

    select
        *,
        spend_departure >= {{ rules.spend_spike_at }}
        and recent_place <= {{ rules.top_share }} * recent_buyers as has_spend_spike,
        orders_departure >= {{ rules.order_burst_at }}
        and recent_orders >= {{ rules.fewest_orders }} as has_order_burst,
        refunds_departure >= {{ rules.refunds_at }}
        and horizon_orders >= {{ rules.fewest_orders }} as has_refunds
    from measured

),

counted as (

    select
        *,
        case when has_spend_spike then 1 else 0 end
        + case when has_order_burst then 1 else 0 end
        + case when has_refunds then 1 else 0 end as signals,
        greatest(
            case when has_spend_spike then spend_departure / {{ rules.spend_spike_at }} else 0 end,
            case when has_order_burst then orders_departure / {{ rules.order_burst_at }} else 0 end,
            case when has_refunds then refunds_departure / {{ rules.refunds_at }} else 0 end
        ) as excess
    from judged

),

risk_watchlist as (

    select

        ----------  ids
        user_id,
        as_of_date,
        horizon_days,
        cast(
            row_number() over (
                order by signals desc, excess desc, anomaly_score desc, user_id asc
            ) as {{ dbt.type_bigint() }}
        ) as risk_rank,

        ----------  text
        case
            when signals > 1 or excess >= 1.5 then 'high'
            when signals = 1 then 'medium'
            else 'low'
        end as severity,
        concat_ws(
            ' ',
            case
                when has_spend_spike
                    then
                        concat(
                            'Bought for ', {{ purchasing_power.in_words('exp(recent_log)') }}, ' at once, where ',
                            {{ purchasing_power.in_words('exp(usual_log)') }}, ' is usual.'
                        )
            end,
            case
                when has_order_burst
                    then
                        concat(
                            'Ordered ', {{ purchasing_power.in_words('recent_orders') }},
                            ' times in {{ window }} days, where ',
                            {{ purchasing_power.in_words('usual_orders', places=1) }}, ' is usual.'
                        )
            end,
            case
                when has_refunds
                    then
                        concat(
                            {{ purchasing_power.in_words('100 * least(refunded_share, 1)') }},
                            ' % of what was bought in {{ horizon }} days came back, where ',
                            {{ purchasing_power.in_words('100 * usual_refunded_share') }}, ' % is usual.'
                        )
            end,
            case when is_outlier then 'Few users look like this one as a whole (isolation forest).' end
        ) as reasons,

        ----------  signals
        cast(signals as {{ dbt.type_int() }}) as signals,
        has_spend_spike,
        has_order_burst,
        has_refunds,
        is_outlier,

        ----------  numerics
        cast(spend_departure as {{ double }}) as spend_departure,
        cast(orders_departure as {{ double }}) as orders_departure,
        cast(refunds_departure as {{ double }}) as refunds_departure,
        anomaly_score,
        cast(exp(recent_log) as {{ double }}) as largest_recent_purchase,
        cast(exp(usual_log) as {{ double }}) as usual_purchase,
        cast(recent_orders as {{ dbt.type_bigint() }}) as recent_orders,
        cast(usual_orders as {{ double }}) as usual_orders,
        cast(refunded_share as {{ double }}) as refunded_share,
        cast(usual_refunded_share as {{ double }}) as usual_refunded_share,
        expected_spend,

        ----------  provenance
        purchasing_power_tier,
        model_version

    from counted
    where
        signals > 0
        or is_outlier

)

select * from risk_watchlist
