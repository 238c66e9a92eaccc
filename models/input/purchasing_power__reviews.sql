{{ purchasing_power.input_model('reviews') }}
