"""What a trained model is worth, and how it is used: metrics, pictures, the report, prediction."""
