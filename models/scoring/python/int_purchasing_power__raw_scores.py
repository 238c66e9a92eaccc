def model(dbt, session):
    """The model's head over everybody: probability, money and tier, as the ONNX graph returns them."""
    from purchasing_power.dbt_models import raw_scores

    return raw_scores(
        models=dbt.ref("purchasing_power__models"),
        users=dbt.ref("purchasing_power__users"),
        inputs=dbt.ref("int_purchasing_power__head_inputs"),
    )
