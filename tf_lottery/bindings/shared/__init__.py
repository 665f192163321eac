"""What bindings of several Kerases share; nothing here imports a framework."""
