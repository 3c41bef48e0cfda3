"""What is needed to make data and to train; never imported by the package that runs on the robot."""
