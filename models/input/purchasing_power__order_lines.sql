{{ purchasing_power.input_model('order_lines') }}
