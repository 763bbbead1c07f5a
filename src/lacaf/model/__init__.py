"""The networks, what they see and what they are punished for; tensors in, tensors out.

This room knows no file, no DICOM, no MLflow. Training and inference both build their network
here, and make its input here, so they cannot drift apart.
"""
