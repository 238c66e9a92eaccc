{{ purchasing_power.input_model('customers') }}
