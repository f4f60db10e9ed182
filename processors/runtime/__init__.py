"""Where the same lines run: devices, processes, signals, precision, pixels on the device. Nothing
here knows what is trained or judged."""
