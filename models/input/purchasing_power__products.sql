{{ purchasing_power.input_model('products') }}
