def model(dbt, session):
    """The sentiment model in use over the texts that this run has to read."""
    from purchasing_power.dbt_models import text_sentiment

    return text_sentiment(
        models=dbt.ref("purchasing_power__input_models"),
        texts=dbt.ref("int_purchasing_power__texts_to_read"),
    )
