def model(dbt, session):
    """The champion over all mixtures of a user's and the population's features: what each group contributes."""
    from purchasing_power.dbt_models import raw_explanations

    return raw_explanations(
        models=dbt.ref("purchasing_power__models"),
        catalogue=dbt.ref("purchasing_power__feature_catalogue"),
        users=dbt.ref("int_purchasing_power__users_to_explain"),
        inputs=dbt.ref("int_purchasing_power__explanation_inputs"),
    )
