{{ purchasing_power.input_model('exchange_rates') }}
