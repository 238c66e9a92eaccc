def model(dbt, session):
    """The LSTM encoder over this run's steps: the state of every user that moved."""
    from purchasing_power.dbt_models import state_updates

    return state_updates(
        models=dbt.ref("purchasing_power__models"),
        users=dbt.ref("int_purchasing_power__users_to_move"),
        steps=dbt.ref("int_purchasing_power__steps_to_consume"),
    )
