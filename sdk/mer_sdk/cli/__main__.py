"""`python -m mer_sdk.cli`: what launchers such as torchrun start in every process."""

from mer_sdk.cli import main

main()
