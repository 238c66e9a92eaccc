{#- Every var of the package, without its `purchasing_power__` prefix, and its default. -#}
{% macro default_vars() %}
    {{ return({
        'inputs': {},

        'as_of_date': none,
        'earliest_date': '1990-01-01',

        'horizon_days': 90,
        'step_grain': 'day',
        'currency': 'unspecified',
        'event_types': ['view', 'search', 'cart', 'wishlist'],

        'anchor_every_days': 7,
        'anchor_min_history_days': none,
        'anchor_limit': 52,
        'training_users': 65536,
        'validation_share': 0.15,
        'tier_names': ['lowest', 'low', 'middle', 'high', 'highest'],

        'rating_scale': [1, 5],
        'embedding_channels': 4,
        'session_gap_minutes': 30,
        'bot_events_per_day': 1000,
        'test_users': [],
        'test_user_patterns': [],
        'fills': {},
        'missing_indicators': [],
        'outliers': {},
        'seasonal_features': false,
        'extra_channels': [],

        'training': {},

        'explained_users': 200,

        'lifecycle': {},
        'audiences': {},
        'audience_uplift': 0.05,
        'price_bands': 4,
        'recommended_categories': 3,
        'recommended_products': 10,
        'risk': {},
        'publish_to': none,

        'monitoring': {},
        'groups': {},

        'pseudonymise': false,
        'smallest_group': 1,
        'retention_days': none,

        'refit_scaling': false,
        'refit_cleaning': false,
    }) }}
{% endmacro %}
