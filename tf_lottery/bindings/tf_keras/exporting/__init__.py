"""What exports need of tf_keras: plain models, as functions and as files."""
