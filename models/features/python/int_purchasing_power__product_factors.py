def model(dbt, session):
    """The projection in use over all product embeddings of its length."""
    from purchasing_power.dbt_models import product_factors

    return product_factors(
        models=dbt.ref("purchasing_power__input_models"),
        products=dbt.ref("stg_purchasing_power__products"),
    )
